/** The API's page: Swagger UI over our own schema. */

const docs = document.getElementById("docs");

window.SwaggerUIBundle({
  url: docs.dataset.schemaUrl,
  domNode: docs,
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  // A login cookie counts only with the token.
  requestInterceptor(request) {
    if (new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = docs.dataset.csrfToken;
    }
    return request;
  },
});
