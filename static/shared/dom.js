/** Building and changing elements. Texts are never markup, so nothing that is shown can be run. */

/** @returns an element with properties, `data-…`/`aria-…` attributes and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Change a text only if it is another: a screen reader may announce each change. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a message; an empty one hides its element. One that comes again is announced again. */
export function setMessage(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
