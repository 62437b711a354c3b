/** The page's configuration by the server: read once from the markup, never changed. */

export function readConfig() {
  const { demoScene, login, loginUrl } = document.body.dataset;
  return Object.freeze({
    demoScene: demoScene === "true",
    /** The id of the login that the page was loaded under; empty for an anonymous visitor. */
    login,
    loginUrl: `${loginUrl}?next=${encodeURIComponent(location.pathname)}`,
  });
}
