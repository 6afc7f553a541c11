"use strict";
// <mesh-view src="chair.glb" alt="a chair" mode="texture">: turn a mesh of this project in a page
//
// Reads GLB as lrm_core/io/gltf_writing.py makes it (y up, front +z) from a URL, a data URI or, by
// load(), an ArrayBuffer, and says so where a file needs more of glTF. Mode "texture" shows the
// colors of the file without light, "clay" its shape, "normals" the axes of the file as colors.
// `orbit` is the camera: azimuth and elevation in degrees (docs/conventions.md), distance from the
// origin, or with the attribute "centered" from the middle of the mesh, wherever that lies. A
// person's move and reset() send "camera-change"; setting `orbit` does not, so that viewers can
// follow one another. "load" and "error" tell how loading ended.
(() => {
  const MODES = ["texture", "clay", "normals"];
  const HOME = { azimuth: 0, elevation: 10, distance: 4 };
  const NEAREST = 0.5, FARTHEST = 8, CLIP_NEAR = 0.02, CLIP_FAR = 100;
  const FOCAL = 1 / Math.tan((35 / 2) * (Math.PI / 180)); // 35 degrees across the shorter side
  const KEYS = { // degrees and zoom; arrows move the camera
    ArrowLeft: [-10, 0, 1], ArrowRight: [10, 0, 1], ArrowDown: [0, -10, 1], ArrowUp: [0, 10, 1],
    "+": [0, 0, 1 / 1.15], "=": [0, 0, 1 / 1.15], "-": [0, 0, 1.15], 0: null, Home: null,
  };
  const ATTRIBUTES = ["POSITION", "NORMAL", "TEXCOORD_0", "COLOR_0"]; // at these locations
  const SIZES = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 };
  const BYTES = { 5121: 1, 5123: 2, 5125: 4, 5126: 4 };
  const TRIANGLES = 4;

  const VERTEX = `#version 300 es
    layout(location = 0) in vec3 position;
    layout(location = 1) in vec3 normal;
    layout(location = 2) in vec2 uv;
    layout(location = 3) in vec4 color;
    uniform mat3 turn;
    uniform vec3 middle;
    uniform float away;
    uniform vec2 zoom, depth;
    out vec3 place, outward;
    out vec2 at;
    out vec4 tint;
    void main() {
      place = position; outward = normal; at = uv; tint = color;
      vec3 seen = turn * (position - middle) - vec3(0.0, 0.0, away);
      gl_Position = vec4(zoom * seen.xy, depth.x * seen.z + depth.y, -seen.z);
    }`;
  const FRAGMENT = `#version 300 es
    precision highp float;
    uniform mat3 turn;
    uniform int mode;
    uniform vec4 factor;
    uniform sampler2D texels; // an sRGB one: what is read from it is linear
    in vec3 place, outward;
    in vec2 at;
    in vec4 tint;
    out vec4 shown;
    vec3 encoded(vec3 light) { // linear to sRGB, IEC 61966-2-1
      light = clamp(light, 0.0, 1.0);
      vec3 curve = 1.055 * pow(light, vec3(1.0 / 2.4)) - 0.055;
      return mix(12.92 * light, curve, step(0.0031308, light));
    }
    void main() {
      // both sides of a surface are shown; files without normals look faceted
      vec3 flat_normal = cross(dFdx(place), dFdy(place));
      vec3 smooth_normal = gl_FrontFacing ? outward : -outward;
      vec3 normal = normalize(outward == vec3(0.0) ? flat_normal : smooth_normal);
      float lit = dot(turn * normal, normalize(vec3(-0.4, 0.6, 0.7)));
      if (mode == 0) shown.rgb = encoded(factor.rgb * tint.rgb * texture(texels, at).rgb);
      else shown.rgb = mode == 1 ? vec3(0.5 + 0.35 * lit) : 0.5 + 0.5 * normal;
      shown.a = 1.0;
    }`;

  class Complaint extends Error {} // one that a person can read
  const need = (holds, text) => {
    if (!holds) throw new Complaint(text);
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const download = async (url) => {
    const response = await fetch(url).catch(() => need(false, "it cannot be loaded"));
    need(response.ok, `it cannot be loaded (${response.status})`);
    return response.arrayBuffer();
  };

  // The parts of a GLB: arrays as WebGL takes them, a color factor, a decoded texture.
  const readGlb = async (buffer) => {
    const header = new DataView(buffer);
    need(buffer.byteLength >= 28 && header.getUint32(0) === 0x676c5446, "it is not a GLB file");
    need(header.getUint32(4, true) === 2, "it is not glTF 2.0");
    const length = header.getUint32(12, true);
    const content = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, length)));
    const binary = new Uint8Array(buffer, 28 + length, header.getUint32(20 + length, true));
    need(!content.extensionsRequired?.length, `it needs ${content.extensionsRequired}`);

    const bytesOf = (index) => {
      need(index !== undefined, "parts of it lie in other files or are sparse");
      const { byteOffset = 0, byteLength } = content.bufferViews[index];
      return binary.subarray(byteOffset, byteOffset + byteLength);
    };
    const arrayOf = (index) => {
      const { bufferView, byteOffset = 0, componentType: type, count, ...more } =
        content.accessors[index];
      const size = SIZES[more.type], each = size * BYTES[type];
      const data = bytesOf(bufferView).subarray(byteOffset);
      const stride = content.bufferViews[bufferView].byteStride ?? each;
      need(!more.sparse && stride * (count - 1) + each <= data.length, "its arrays are not whole");
      return { data, type, size, count, stride, normalized: more.normalized ?? false };
    };
    const textureOf = async ({ source, sampler }) => {
      const { bufferView, mimeType: type } = content.images[source];
      // as stored: no color management, and no color lost where alpha is 0
      const settings = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
      const image = await createImageBitmap(new Blob([bytesOf(bufferView)], { type }), settings);
      return { image, ...content.samplers?.[sampler] };
    };
    const textures = await Promise.all((content.textures ?? []).map(textureOf));

    const primitives = content.nodes.flatMap((node) => {
      const moved = node.matrix ?? node.translation ?? node.rotation ?? node.scale;
      need(!moved, "its parts are placed by transforms");
      return node.mesh === undefined ? [] : content.meshes[node.mesh].primitives;
    });
    need(primitives.length, "it holds no mesh");
    return primitives.map(({ attributes, indices, material, mode = TRIANGLES }) => {
      need(mode === TRIANGLES, "it holds more than triangles");
      const { baseColorFactor: factor = [1, 1, 1, 1], baseColorTexture } =
        content.materials?.[material]?.pbrMetallicRoughness ?? {};
      return {
        arrays: ATTRIBUTES.map((name) => name in attributes && arrayOf(attributes[name])),
        indices: indices !== undefined && arrayOf(indices),
        bounds: content.accessors[attributes.POSITION],
        texture: textures[baseColorTexture?.index],
        factor,
      };
    });
  };

  // where the box around all parts has its middle
  const middleOf = (parts) => [0, 1, 2].map((axis) => {
    const [low, high] = ["min", "max"].map((end) => parts.map(({ bounds }) => bounds[end][axis]));
    return (Math.min(...low) + Math.max(...high)) / 2;
  });

  // One WebGL context draws for every viewer of a page: browsers keep only a dozen of them alive.
  const shown = new Set(); // the viewers in the page
  const stage = document.createElement("canvas");
  let painter = null; // made when the first viewer draws
  const redrawAll = () => shown.forEach((viewer) => viewer.redraw());
  addEventListener("resize", redrawAll); // of the window: the pixel ratio may have changed
  // without this the browser would not give a lost context back
  stage.addEventListener("webglcontextlost", (event) => event.preventDefault());
  stage.addEventListener("webglcontextrestored", () => {
    painter = null;
    redrawAll();
  });

  const makePainter = () => {
    const gl = stage.getContext("webgl2");
    need(gl, "this browser offers no WebGL 2");
    const program = gl.createProgram();
    for (const [type, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    // what parts without normals, colors or a texture have instead
    gl.vertexAttrib3f(ATTRIBUTES.indexOf("NORMAL"), 0, 0, 0);
    gl.vertexAttrib4f(ATTRIBUTES.indexOf("COLOR_0"), 1, 1, 1, 1);
    const white = { image: new ImageData(Uint8ClampedArray.of(255, 255, 255, 255), 1) };

    const held = new Map(); // arrays and textures of files -> what the GPU holds of them
    const bindArray = (target, array) => {
      const known = held.get(array) ?? gl.createBuffer();
      gl.bindBuffer(target, known);
      if (!held.has(array)) gl.bufferData(target, array.data, gl.STATIC_DRAW);
      held.set(array, known);
    };
    const bindTexture = (texture) => {
      const known = held.get(texture) ?? gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, known);
      if (held.has(texture)) return;
      const longest = Math.max(texture.image.width, texture.image.height);
      need(longest <= gl.getParameter(gl.MAX_TEXTURE_SIZE), "its texture is too large for WebGL");
      held.set(texture, known);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.SRGB8_ALPHA8, gl.RGBA, gl.UNSIGNED_BYTE, texture.image);
      gl.generateMipmap(gl.TEXTURE_2D);
      const set = (name, value) => gl.texParameteri(gl.TEXTURE_2D, name, value);
      set(gl.TEXTURE_WRAP_S, texture.wrapS ?? gl.REPEAT);
      set(gl.TEXTURE_WRAP_T, texture.wrapT ?? gl.REPEAT);
      set(gl.TEXTURE_MAG_FILTER, texture.magFilter ?? gl.LINEAR);
      set(gl.TEXTURE_MIN_FILTER, texture.minFilter ?? gl.LINEAR_MIPMAP_LINEAR);
    };
    const free = (parts) => {
      for (const one of parts.flatMap((part) => [...part.arrays, part.indices, part.texture])) {
        if (!held.has(one)) continue;
        if (one.image) gl.deleteTexture(held.get(one));
        else gl.deleteBuffer(held.get(one));
        held.delete(one);
      }
    };

    const at = (name) => gl.getUniformLocation(program, name);
    const paint = (parts, orbit, middle, mode, canvas) => {
      if (gl.isContextLost()) return;
      const { width, height } = canvas;
      // it only grows: viewers of different sizes take turns on it
      if (stage.width < width) stage.width = width;
      if (stage.height < height) stage.height = height;
      gl.viewport(0, 0, width, height);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      const [a, e] = [orbit.azimuth, orbit.elevation].map((angle) => (angle * Math.PI) / 180);
      const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
      // columns: where the axes x, y and z of the file point for the camera
      const turn = [ca, -se * sa, ce * sa, 0, ce, se, -sa, -se * ca, ce * ca];
      gl.uniformMatrix3fv(at("turn"), false, turn);
      gl.uniform3fv(at("middle"), middle);
      gl.uniform1f(at("away"), orbit.distance);
      const focal = FOCAL * Math.min(width, height), span = CLIP_NEAR - CLIP_FAR;
      gl.uniform2f(at("zoom"), focal / width, focal / height);
      gl.uniform2f(at("depth"), (CLIP_FAR + CLIP_NEAR) / span, (2 * CLIP_FAR * CLIP_NEAR) / span);
      gl.uniform1i(at("mode"), Math.max(0, MODES.indexOf(mode)));
      for (const { arrays, indices, factor, texture } of parts) {
        arrays.forEach((array, location) => {
          gl.disableVertexAttribArray(location);
          if (!array) return;
          const { size, type, normalized, stride } = array;
          bindArray(gl.ARRAY_BUFFER, array);
          gl.enableVertexAttribArray(location);
          gl.vertexAttribPointer(location, size, type, normalized, stride, 0);
        });
        bindTexture(texture ?? white);
        gl.uniform4fv(at("factor"), factor);
        if (indices) bindArray(gl.ELEMENT_ARRAY_BUFFER, indices);
        if (indices) gl.drawElements(gl.TRIANGLES, indices.count, indices.type, 0);
        else gl.drawArrays(gl.TRIANGLES, 0, arrays[0].count);
      }
      const flat = canvas.getContext("2d");
      flat.clearRect(0, 0, width, height);
      flat.drawImage(stage, 0, stage.height - height, width, height, 0, 0, width, height);
    };
    return { paint, free };
  };

  // a constructed sheet: policies that forbid inline styles allow it
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { display: block; position: relative; min-height: 2rem; overflow: hidden;
      touch-action: none; user-select: none; cursor: grab; }
    :host([hidden]) { display: none; }
    canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
    p { position: absolute; inset: auto 0 0; margin: 0; padding: 0.4rem 0.6rem;
      background: Canvas; color: CanvasText; }
    p:empty { display: none; }`);

  class MeshView extends HTMLElement {
    static observedAttributes = ["src", "alt", "mode"];
    #canvas = document.createElement("canvas");
    #message = document.createElement("p");
    #sizes = new ResizeObserver(() => this.#draw()); // at once, or it would flicker
    #orbit = { ...HOME };
    #pointers = new Map(); // fingers or a mouse that hold the mesh -> where they are
    #parts = []; // of the file
    #middle = [0, 0, 0]; // what the camera looks at, in the file's axes
    #loads = 0;
    #frame = 0;

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.append(this.#canvas, this.#message);
      const letGo = (event) => this.#pointers.delete(event.pointerId);
      this.addEventListener("pointerdown", this.#hold);
      this.addEventListener("pointermove", this.#drag);
      this.addEventListener("pointerup", letGo);
      this.addEventListener("pointercancel", letGo);
      this.addEventListener("wheel", this.#wheel, { passive: false });
      this.addEventListener("keydown", this.#press);
    }

    connectedCallback() {
      if (!this.hasAttribute("role")) this.setAttribute("role", "img");
      if (!this.hasAttribute("tabindex")) this.setAttribute("tabindex", "0");
      this.#say(this.#message.textContent);
      shown.add(this);
      this.#sizes.observe(this);
    }

    disconnectedCallback() {
      shown.delete(this);
      this.#sizes.disconnect();
      this.#pointers.clear();
      painter?.free(this.#parts);
    }

    attributeChangedCallback(name, before, value) {
      if (name === "src" && value !== null) this.load(value);
      else if (name === "alt") this.#say(this.#message.textContent);
      else this.redraw();
    }

    // source: a URL, a data URI or an ArrayBuffer; a later call wins over an earlier one
    async load(source) {
      const load = ++this.#loads;
      let parts = [], middle = [0, 0, 0], trouble = "";
      try {
        parts = await readGlb(typeof source === "string" ? await download(source) : source);
        if (this.hasAttribute("centered")) middle = middleOf(parts);
      } catch (error) {
        trouble = error instanceof Complaint ? error.message : "the file is broken";
      }
      if (load !== this.#loads) return;
      painter?.free(this.#parts);
      [this.#parts, this.#middle] = [parts, middle];
      this.#say(trouble && `This mesh cannot be shown: ${trouble}.`);
      this.#draw();
      this.dispatchEvent(new Event(trouble ? "error" : "load"));
    }

    get orbit() {
      return { ...this.#orbit };
    }

    set orbit(change) {
      const { azimuth, elevation, distance } = { ...this.#orbit, ...change };
      this.#orbit = {
        azimuth: azimuth - 360 * Math.round(azimuth / 360),
        elevation: clamp(elevation, -90, 90),
        distance: clamp(distance, NEAREST, FARTHEST),
      };
      this.redraw();
    }

    reset() {
      this.#move(HOME);
    }

    // in the next frame, once however often it is asked for
    redraw() {
      this.#frame ||= requestAnimationFrame(() => this.#draw());
    }

    #move(orbit) {
      this.orbit = orbit;
      this.dispatchEvent(new CustomEvent("camera-change", { bubbles: true, detail: this.orbit }));
    }

    #moveBy(right, up, zoom) {
      const { azimuth, elevation, distance } = this.#orbit;
      this.#move({
        azimuth: azimuth + right, elevation: elevation + up, distance: distance * zoom,
      });
    }

    #hold(event) {
      if (event.button !== 0) return;
      this.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
    }

    #drag(event) {
      const before = this.#pointers.get(event.pointerId);
      if (!before) return;
      const gap = () => {
        const [[ax, ay], [bx, by]] = this.#pointers.values();
        return Math.max(1, Math.hypot(ax - bx, ay - by));
      };
      const pinched = this.#pointers.size > 1, apart = pinched && gap();
      this.#pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (pinched) return this.#moveBy(0, 0, apart / gap());
      const degrees = 180 / Math.max(1, this.clientHeight); // the surface goes with the hand
      this.#moveBy((before[0] - event.clientX) * degrees, (event.clientY - before[1]) * degrees, 1);
    }

    #wheel(event) {
      event.preventDefault();
      const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 30);
      this.#moveBy(0, 0, 1.001 ** clamp(pixels, -300, 300));
    }

    #press(event) {
      const known = Object.hasOwn(KEYS, event.key);
      if (!known || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      if (KEYS[event.key]) this.#moveBy(...KEYS[event.key]);
      else this.reset();
    }

    #draw() {
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      const { width, height } = this.#canvas.getBoundingClientRect();
      if (!this.isConnected || !width || !height) return;
      const [columns, rows] = [width, height].map((css) => Math.round(css * devicePixelRatio));
      if (this.#canvas.width !== columns) this.#canvas.width = columns;
      if (this.#canvas.height !== rows) this.#canvas.height = rows;
      try {
        painter ??= makePainter();
        const mode = this.getAttribute("mode");
        painter.paint(this.#parts, this.#orbit, this.#middle, mode, this.#canvas);
      } catch (error) {
        if (!(error instanceof Complaint)) throw error;
        this.#say(`This mesh cannot be shown: ${error.message}.`);
      }
    }

    #say(text) {
      this.#message.textContent = text;
      const label = [this.getAttribute("alt"), text].filter(Boolean).join(". ");
      this.setAttribute("aria-label", label);
    }
  }

  if (!customElements.get("mesh-view")) customElements.define("mesh-view", MeshView);
})();
