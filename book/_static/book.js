// What the theme leaves undone for readers without a mouse or without a screen, and for downloads.
(function () {
  "use strict";

  // Wide tables and formulas scroll inside their own box; so that keys can scroll them, they take
  // the focus. The width decides, so look again when it changes.
  function reachWhatScrolls() {
    document.querySelectorAll(".bd-article table, .bd-article mjx-container").forEach((box) => {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    });
  }
  window.addEventListener("load", reachWhatScrolls);
  window.addEventListener("resize", reachWhatScrolls);

  // The name of the button says which mode is on.
  const root = document.documentElement;
  function nameTheMode() {
    const mode = root.dataset.mode || "auto";
    document.querySelectorAll(".theme-switch-button").forEach((button) => {
      button.setAttribute("aria-label", `Colour mode: ${mode}`);
      button.setAttribute("data-bs-title", "Colour mode");
    });
  }

  // Paper is light.
  let shown;
  window.addEventListener("beforeprint", () => {
    shown = root.dataset.theme;
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => { root.dataset.theme = shown; });

  document.addEventListener("DOMContentLoaded", () => {
    // A notebook is to be saved, and not shown as text.
    document.querySelectorAll(".btn-download-source-button").forEach((link) => (link.download = ""));
    nameTheMode();
    new MutationObserver(nameTheMode).observe(root, { attributeFilter: ["data-mode"] });
    const sidebar = document.querySelector(".bd-sidebar-primary");
    if (sidebar) {
      sidebar.setAttribute("role", "complementary");
      sidebar.setAttribute("aria-label", "Book");
    }
  });
})();
