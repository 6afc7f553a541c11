"use strict";
// 3D viewers: meshes are decoded and WebGL is started at the first click.
(() => {
  const bytesOf = (id) => {
    const binary = atob(document.getElementById(id).textContent);
    return Uint8Array.from(binary, (letter) => letter.charCodeAt(0)).buffer;
  };

  const makeFigure = (mesh, caption, label) => {
    const viewer = document.createElement("mesh-view");
    viewer.setAttribute("alt", label);
    viewer.load(bytesOf(mesh));
    const text = document.createElement("figcaption");
    text.textContent = caption;
    const figure = document.createElement("figure");
    figure.append(viewer, text);
    return figure;
  };

  for (const button of document.querySelectorAll("button.open-3d")) {
    const stage = button.nextElementSibling;
    // one camera for all of an object, so that what is seen can be compared
    stage.addEventListener("camera-change", ({ target }) => {
      for (const viewer of stage.querySelectorAll("mesh-view"))
        if (viewer !== target) viewer.orbit = target.orbit;
    });
    button.hidden = false;
    button.addEventListener("click", () => {
      const opens = stage.childElementCount === 0;
      button.setAttribute("aria-expanded", String(opens));
      button.textContent = opens ? "Close 3D" : "Look at it in 3D";
      if (!opens) {
        stage.replaceChildren();
        return;
      }
      const { object, method, prediction, reference } = button.dataset;
      if (reference) stage.append(makeFigure(reference, "reference", object + ", reference"));
      if (prediction) stage.append(makeFigure(prediction, method, object + ", by " + method));
    });
  }
})();
