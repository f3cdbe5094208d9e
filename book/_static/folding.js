/* One switch shows all folded code of a page, another one that of every page, which is remembered where the browser lets a
   page keep something. Without this file each drawer opens by itself. */
document.addEventListener("DOMContentLoaded", () => {
  const drawers = [...document.querySelectorAll("details.hide.above-input")];
  const line = document.querySelector(".kd-along");
  if (!line || !drawers.length) return;
  const KEY = "kd-code";

  const everywhere = () => { try { return localStorage.getItem(KEY) === "shown"; } catch { return false; } };
  const keep = (shown) => { try { shown ? localStorage.setItem(KEY, "shown") : localStorage.removeItem(KEY); } catch { /* not kept */ } };
  const show = (shown) => { for (const drawer of drawers) drawer.open = shown; };

  const box = (words) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "checkbox";
    label.append(input, ` ${words}`);
    return { label, input };
  };
  const here = box("Show all code"), all = box("on every page");
  const group = document.createElement("span");
  group.className = "kd-code-switch";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Folded code");
  group.append(here.label, all.label);
  line.append(group);

  here.input.checked = all.input.checked = everywhere();
  if (here.input.checked) show(true);
  here.input.addEventListener("change", () => {
    show(here.input.checked);
    if (!here.input.checked && all.input.checked) { all.input.checked = false; keep(false); }
  });
  all.input.addEventListener("change", () => {
    here.input.checked = all.input.checked;
    show(all.input.checked);
    keep(all.input.checked);
  });
});
