// The switch between light and dark. This script is no module and stands in the
// page's head, so that a page is never seen in the wrong one first.
//
// Any button with the attribute data-theme-switch is one. Each press takes the next
// of auto (as the system has it), light, dark. The choice is kept in the browser.
'use strict';
{
  const themes = ['auto', 'light', 'dark'];
  const root = document.documentElement;

  const stored = () => {
    try {
      return localStorage.getItem('theme');
    } catch {
      return null; // the browser keeps nothing for this site
    }
  };
  let theme = themes.includes(stored()) ? stored() : 'auto';

  const apply = () => {
    root.dataset.theme = theme;
    for (const button of document.querySelectorAll('[data-theme-switch]')) {
      button.textContent = { auto: '◐ auto', light: '○ light', dark: '● dark' }[theme];
      button.setAttribute('aria-label', `Theme: ${theme}. Switch to ${next()}`);
    }
  };
  const next = () => themes[(themes.indexOf(theme) + 1) % themes.length];

  apply();
  addEventListener('DOMContentLoaded', () => {
    apply();
    for (const button of document.querySelectorAll('[data-theme-switch]')) {
      button.addEventListener('click', () => {
        theme = next();
        try {
          localStorage.setItem('theme', theme);
        } catch {
          // then it holds until the page is left
        }
        apply();
      });
    }
  });
}
