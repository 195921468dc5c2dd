"use strict";
// Adds to pages that are whole without it: copy buttons, folded blocks on a phone, interactive pictures.
(() => {
  const narrow = window.matchMedia("(max-width: 47.9rem)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const korean = document.documentElement.lang === "ko";

  if (narrow.matches) {
    for (const fold of document.querySelectorAll("details.fold[open]")) fold.open = false;
  }
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && target.querySelector(":scope > details.fold");
    if (fold) fold.open = true;
  };
  window.addEventListener("hashchange", unfold);
  unfold();

  if (navigator.clipboard) {
    for (const code of document.querySelectorAll("[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = korean ? "복사" : "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = korean ? "복사했어요" : "Copied";
      });
      code.after(button);
    }
  }

  let library;
  const load = () => {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = "/static/vega.js";
      script.onload = () => resolve(window.vegaEmbed);
      script.onerror = reject;
      document.head.append(script);
    });
    return library;
  };
  const enliven = async (figure) => {
    const picture = figure.querySelector("picture");
    const embed = await load();
    const query = `&size=${narrow.matches ? "narrow" : "wide"}&theme=${dark.matches ? "dark" : "light"}`;
    const answer = await fetch(figure.dataset.spec + query);
    if (!answer.ok) return;
    const image = picture.querySelector("img");
    const live = document.createElement("div");
    live.className = "chart-live";
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", image.alt);
    live.hidden = true;
    picture.after(live);
    await embed(live, await answer.json(), {
      ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip: { disableDefaultStyle: true },
    });
    live.hidden = false;
    picture.hidden = true;
  };
  const figures = document.querySelectorAll("figure[data-spec]");
  if (figures.length && "IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        enliven(entry.target).catch(() => {});
      }
    }, { rootMargin: "200px" });
    window.addEventListener("load", () => figures.forEach((figure) => seen.observe(figure)));
  }
})();
