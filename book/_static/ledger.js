/* The ledger's search and filters. What is chosen stands in the address, so that a link leads to it; an address with a
   claim's name opens that claim. Without this file every claim stands there. */
document.addEventListener("DOMContentLoaded", () => {
  const ledger = document.querySelector(".kd-ledger");
  if (!ledger) return;
  const filters = ledger.querySelector(".kd-filters");
  const count = filters.querySelector("output");
  const cards = [...ledger.querySelectorAll("details.kd-claim")];
  const fields = [...filters.elements].filter((field) => field.name);
  const words = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));

  const fits = (card) => fields.every((field) => {
    if (!field.value) return true;
    if (field.name === "words") return field.value.toLowerCase().split(/\s+/).every((word) => words.get(card).includes(word));
    return card.dataset[field.name] === field.value;
  });

  const show = () => {
    for (const card of cards) card.hidden = !fits(card);
    for (const section of ledger.querySelectorAll("section")) section.hidden = !section.querySelector("details:not([hidden])");
    const shown = cards.filter((card) => !card.hidden).length;
    count.textContent = shown === cards.length ? `${shown} claims` : `${shown} of ${cards.length} claims`;
  };

  const toAddress = () => {
    const chosen = new URLSearchParams(fields.filter((field) => field.value).map((field) => [field.name, field.value]));
    history.replaceState(null, "", `#${chosen}`);
  };

  const fromAddress = () => {
    const named = decodeURIComponent(location.hash.slice(1));
    const card = cards.find((one) => one.id === named);
    const chosen = new URLSearchParams(card ? "" : location.hash.slice(1));
    for (const field of fields) field.value = chosen.get(field.name) ?? "";
    show();
    if (card) card.open = true;
    if (location.hash) (card ?? filters).scrollIntoView();
  };

  filters.hidden = false;
  filters.addEventListener("input", () => { show(); toAddress(); });
  filters.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", fromAddress);
  fromAddress();
});
