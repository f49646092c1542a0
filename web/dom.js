// Elements, made by code: el('a', {href: '#/stuck'}, 'Stuck').
//
// Text is always set as text. Nothing of what the server sends is ever read as HTML.

const svgNamespace = 'http://www.w3.org/2000/svg';

// el makes an element. Of the attributes, null, undefined and false are left out, true
// has no value, and "on" has listeners by their event's name. Children are nodes or
// text; null and false are left out, too, and lists are taken apart.
export function el(tag, attributes, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

// svg does the same in a drawing.
export function svg(tag, attributes, ...children) {
  return dress(document.createElementNS(svgNamespace, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === 'on') {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...present(children));
  return element;
}

// fill replaces what is in an element.
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

function present(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false);
}

// chip shows a status by a word, a shape and a colour.
export function chip(status, word = status) {
  return el('span', { class: `chip ${status}` }, word);
}

const saidFor = 8000; // milliseconds that what is said can be seen
let hush = 0;

// say tells of a change: in a line at the bottom for some seconds, and by screen readers,
// once they are done with what they are saying. A new text takes the place of the last.
export function say(text) {
  const region = document.getElementById('said');
  region.textContent = region.textContent === text && text ? `${text}\u00a0` : text; // the same again is no change
  clearTimeout(hush);
  hush = setTimeout(() => { region.textContent = ''; }, saidFor);
}

// breakable lets the name of an event break after its underscores.
export function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, i) => (i ? [el('wbr'), part] : [part]));
}

// kept is a setting in the browser's storage; where that is forbidden, it holds until
// the page is left.
export function kept(name, otherwise) {
  let now = otherwise;
  try {
    now = localStorage.getItem(name) ?? otherwise;
  } catch {
    // nothing is kept for this site
  }
  return {
    get: () => now,
    set(value) {
      now = value;
      try {
        localStorage.setItem(name, value);
      } catch {
        // nothing is kept for this site
      }
    },
  };
}
