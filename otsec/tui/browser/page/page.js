"use strict";

// Text of the network may look like an address; a click on it must lead nowhere. What the page may
// open are its own downloads.
const open = window.open.bind(window);
window.open = (url, ...rest) =>
  url && new URL(url, location.href).origin === location.origin ? open(url, ...rest) : null;

window.addEventListener("DOMContentLoaded", () => {
  document.getElementById("again").addEventListener("click", () => location.reload());
  // Keys go to the terminal as soon as it shows something, without a click on it first.
  new MutationObserver((_, watcher) => {
    if (document.body.classList.contains("-first-byte")) {
      watcher.disconnect();
      document.querySelector(".xterm-helper-textarea")?.focus();
    }
  }).observe(document.body, { attributeFilter: ["class"] });
});
