/* Paper is light: a page is printed in the light theme, whatever it is read in. */
(() => {
  const root = document.documentElement;
  let theme = null;
  addEventListener("beforeprint", () => {
    if (root.dataset.theme === "light") return;
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    if (theme !== null) root.dataset.theme = theme;
    theme = null;
  });
})();
