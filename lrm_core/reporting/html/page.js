"use strict";
// 3D viewers: the viewer itself is parsed and started at the first click.
(() => {
  const meshSource = (id) =>
    "data:model/gltf-binary;base64," + document.getElementById(id).textContent;

  const startViewer = () => {
    if (customElements.get("model-viewer")) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("viewer-source").textContent;
    document.head.append(script);
  };

  const makeViewer = (mesh, caption, label) => {
    const viewer = document.createElement("model-viewer");
    // one scale and one camera for all, so that what is seen can be compared
    const settings = {
      src: meshSource(mesh),
      alt: label,
      "camera-controls": "",
      "camera-orbit": "0deg 80deg 4m",
      "camera-target": "0m 0m 0m",
      "min-camera-orbit": "auto auto 0.5m",
      "max-camera-orbit": "auto auto 8m",
      "field-of-view": "35deg",
      "interaction-prompt": "none",
    };
    for (const [name, value] of Object.entries(settings)) viewer.setAttribute(name, value);
    const figure = document.createElement("figure");
    const text = document.createElement("figcaption");
    text.textContent = caption;
    figure.append(viewer, text);
    return [figure, viewer];
  };

  const follow = (viewers) => {
    for (const viewer of viewers) {
      viewer.addEventListener("camera-change", (event) => {
        if (event.detail.source !== "user-interaction") return;
        const orbit = viewer.getCameraOrbit().toString();
        for (const other of viewers) if (other !== viewer) {
          other.cameraOrbit = orbit;
          other.jumpCameraToGoal();
        }
      });
    }
  };

  for (const button of document.querySelectorAll("button.open-3d")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const stage = button.nextElementSibling;
      const opens = stage.childElementCount === 0;
      button.setAttribute("aria-expanded", String(opens));
      button.textContent = opens ? "Close 3D" : "Look at it in 3D";
      if (!opens) {
        stage.replaceChildren();
        return;
      }
      startViewer();
      const { object, method, prediction, reference } = button.dataset;
      const made = [];
      if (reference) made.push(makeViewer(reference, "reference", object + ", reference"));
      if (prediction) made.push(makeViewer(prediction, method, object + ", by " + method));
      stage.append(...made.map(([figure]) => figure));
      follow(made.map(([, viewer]) => viewer));
    });
  }
})();
