// What a visitor chose of the page's look, set before the first paint; a classic script, as modules run after it.
document.documentElement.classList.add("scripted");
for (const name of ["theme", "tiles", "ground"]) {
  try {
    const chosen = localStorage.getItem(`ogaart.${name}`);
    if (chosen) document.documentElement.dataset[name] = chosen;
  } catch {
    break; // the browser stores nothing for this site: the defaults hold
  }
}
