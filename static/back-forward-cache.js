/**
 * No page is shown again out of the browser's back/forward cache: it may belong to a login that has ended
 * since, and only the server knows. Nor does it flash up before it is loaded anew.
 */
addEventListener("pagehide", () => {
  document.documentElement.hidden = true;
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
