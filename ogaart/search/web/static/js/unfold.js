// "+12": further pictures of an entry are fetched and shown in place; the link below them leads to all.
const MOST = 24;

document.addEventListener(
  "toggle",
  async (event) => {
    const details = event.target;
    if (!details.open || !details.matches?.("[data-unfold]")) return;
    details.removeAttribute("data-unfold");
    const list = details.querySelector("ul");
    try {
      const answer = await fetch(details.querySelector("p a").href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const own = details.closest("[data-card]").dataset.card;
      const others = [...page.querySelectorAll(`[data-card]:not([data-card="${own}"]) .picture > a.tile`)];
      const items = others.slice(0, MOST).map((tile) => {
        const item = document.createElement("li");
        item.append(document.adoptNode(tile));
        return item;
      });
      list.replaceChildren(...items);
      document.dispatchEvent(new CustomEvent("ogaart:added"));
    } catch {
      details.setAttribute("data-unfold", ""); // the link is still there; opened again, it is tried again
    }
  },
  true,
);
