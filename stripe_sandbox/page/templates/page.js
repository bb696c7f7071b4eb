// Filters what is already on the page, and puts the server's newest in place of it. Without scripts the form does both.
const search = document.querySelector("[name=customer]"), follow = document.querySelector("[name=follow]");
function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("[data-label]"))
    row.hidden = wanted !== "" && !row.dataset.label.toLowerCase().includes(wanted);
  for (const section of document.querySelectorAll("section[data-of]")) {
    const rows = [...section.querySelectorAll("[data-label]")];
    const shown = rows.filter((row) => !row.hidden).length;
    section.querySelector("[data-shown]").textContent = wanted && rows.length ? `${shown} of ${rows.length} match` : "";
  }
}
async function refresh() {
  if (!follow.checked) return;
  const address = new URL(location);
  address.searchParams.delete("customer");
  const fresh = new DOMParser().parseFromString(await (await fetch(address)).text(), "text/html");
  for (const part of ["main", "header"]) document.querySelector(part).replaceWith(fresh.querySelector(part));
  filter();
}
search.addEventListener("input", filter);
document.querySelector("[name=namespace]").addEventListener("change", (event) => event.target.form.submit());
follow.closest("label").hidden = false;
setInterval(refresh, 2000);
filter();
