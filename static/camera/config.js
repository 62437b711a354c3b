/** What the server told the page: read once from the markup, never changed. */

export function readConfig(doc = document) {
  const { demoScene, requireAuth, login, loginUrl } = doc.body.dataset;
  return Object.freeze({
    demoScene: demoScene === "true",
    requireAuth: requireAuth === "true",
    /** The id of the login that the page was loaded under; empty for an anonymous visitor. */
    login,
    loginUrl: `${loginUrl}?next=${encodeURIComponent(location.pathname)}`,
    csrfToken: doc.querySelector('meta[name="csrf-token"]').content,
  });
}
