/* Formulas are no stops of the tabulator but where one is wider than the page: then the keyboard can scroll it.

   A symbol under the pointer shows its entry of the page's list of symbols, which stands there without this file too.
   Formulas come with a second text in which the symbols are marked; MathJax is given that one. */
(() => {
  const typeset = window.MathJax ?? (window.MathJax = {});
  typeset.startup = {
    ...typeset.startup,
    ready() {
      MathJax.startup.defaultReady();
      for (const jax of MathJax.startup.document.inputJax) {
        jax.preFilters.add(({ math }) => { math.math = math.start?.node?.parentElement?.dataset.marked ?? math.math; }, 1);
      }
      MathJax.startup.promise.then(letWideOnesScroll);
      addEventListener("resize", letWideOnesScroll);
    },
  };

  const letWideOnesScroll = () => {
    for (const formula of document.querySelectorAll("mjx-container[display]")) {
      formula.toggleAttribute("tabindex", formula.scrollWidth > formula.clientWidth);
      if (formula.hasAttribute("tabindex")) formula.tabIndex = 0;
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector(".kd-symbols")) return;
    const box = document.createElement("div");
    box.className = "kd-symbol-box";
    box.setAttribute("role", "tooltip");
    box.hidden = true;
    document.body.append(box);
    let shown = null;

    // The entry of the list: a term, and the meanings behind it.
    const entryOf = (symbol) => {
      const name = [...symbol.classList].find((one) => /^kd-s\d+$/.test(one));
      const parts = [name && document.getElementById(name)];
      while (parts.at(-1)?.nextElementSibling?.matches("dd")) parts.push(parts.at(-1).nextElementSibling);
      return parts.filter(Boolean);
    };

    const hide = () => { box.hidden = true; shown = null; };

    const show = (symbol) => {
      const entry = entryOf(symbol);
      if (!entry.length || symbol === shown) return;
      shown = symbol;
      const list = document.createElement("dl");
      list.append(...entry.map((part) => part.cloneNode(true)));
      for (const named of list.querySelectorAll("[id]")) named.removeAttribute("id");
      box.replaceChildren(list);
      box.hidden = false;
      const place = symbol.getBoundingClientRect();
      const left = Math.min(place.left, document.documentElement.clientWidth - box.offsetWidth - 8);
      box.style.left = `${Math.max(8, left) + scrollX}px`;
      const isRoom = place.bottom + box.offsetHeight + 6 < innerHeight;
      box.style.top = `${(isRoom ? place.bottom - 1 : place.top - box.offsetHeight + 1) + scrollY}px`;
    };

    document.addEventListener("pointerover", ({ target }) => {
      const symbol = target.closest?.(".kd-symbol");
      if (symbol) show(symbol);
      else if (!target.closest?.(".kd-symbol-box")) hide();
    });
    document.addEventListener("focusin", ({ target }) => {
      const symbol = target.closest?.(".kd-symbol") ?? target.querySelector?.(":scope > .kd-symbol");
      if (symbol) show(symbol); else hide();
    });
    document.addEventListener("keydown", ({ key }) => { if (key === "Escape") hide(); });
  });
})();
