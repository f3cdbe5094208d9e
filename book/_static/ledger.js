/* The ledger's filters: show the claims of one paper, of one verdict, or both. Without this file the table stands whole. */
document.addEventListener("DOMContentLoaded", () => {
  for (const ledger of document.querySelectorAll(".kd-ledger")) {
    const filters = ledger.querySelector(".kd-filters");
    const count = filters.querySelector("output");
    const rows = [...ledger.querySelectorAll("tbody tr")];
    const apply = () => {
      const { paper, verdict } = filters.elements;
      let shown = 0;
      for (const row of rows) {
        const fits = (!paper.value || row.dataset.paper === paper.value) && (!verdict.value || row.dataset.verdict === verdict.value);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = shown === rows.length ? `${shown} claims` : `${shown} of ${rows.length} claims`;
    };
    filters.hidden = false;
    filters.addEventListener("change", apply);
    filters.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }
});
