"""Exit codes of the command line: one meaning each, for scripts."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTLY = 3
EXIT_SITE_DOWN = 4
EXIT_REFUSED = 5
EXIT_AUDIT = 6
EXIT_NOTHING = 7
EXIT_DAMAGED = 8

EXIT_CODES = {
    0: "done",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "invalid usage, setting or query",
    EXIT_PARTLY: "some runs failed",
    EXIT_SITE_DOWN: "the site is unreachable, refuses, or returns pages that cannot be used",
    EXIT_REFUSED: "the data root or the Qdrant server cannot be used: of another host, in use, full, or no permission",
    EXIT_AUDIT: "an audit held the publication back",
    EXIT_NOTHING: "nothing is published yet, or no result page is stored",
    EXIT_DAMAGED: "stored data are damaged",
}
