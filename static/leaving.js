/**
 * A page that was left is not shown again out of the browser's memory: it may belong to a login that
 * has ended since, and only the server knows. Nor does it flash up before it is loaded anew.
 */
addEventListener("pagehide", () => {
  document.documentElement.hidden = true;
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
