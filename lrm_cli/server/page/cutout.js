// The photo with its object cut out, and a brush that adds to the object and removes from it.

const UNDO_STEPS = 8;
const KEY_STEP = 12; // pixels that an arrow key moves the brush

const newCanvas = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

export class CutoutEditor {
  #board;
  #photo = null; // the whole photo
  #cutout = null; // as the server made it
  #mask = null; // canvas whose alpha is the object
  #past = [];
  #tool = "look";
  #brush = 36;
  #at = null; // the brush: [x, y] in pixels of the photo
  #painting = false;

  constructor(board, changed) {
    this.#board = board;
    this.changed = changed;
    board.addEventListener("pointerdown", (event) => this.#begin(event));
    board.addEventListener("pointermove", (event) => this.#move(event));
    board.addEventListener("pointerup", () => { this.#painting = false; });
    board.addEventListener("pointercancel", () => { this.#painting = false; });
    board.addEventListener("pointerleave", () => this.#hover(null));
    board.addEventListener("keydown", (event) => this.#press(event));
  }

  // photo: ImageBitmap; cutout: ImageBitmap with alpha
  show(photo, cutout) {
    const { width, height } = cutout;
    this.#photo = photo;
    this.#cutout = cutout;
    this.#mask = newCanvas(width, height);
    this.#mask.getContext("2d").drawImage(cutout, 0, 0);
    this.#past = [];
    Object.assign(this.#board, { width, height });
    this.#draw();
    this.changed();
  }

  get edited() {
    return this.#past.length > 0;
  }

  set tool(name) {
    this.#tool = name;
    this.#board.classList.toggle("painting", name !== "look");
    this.#at = null;
    this.#draw();
  }

  set brush(pixels) {
    this.#brush = pixels;
    this.#draw();
  }

  undo() {
    const before = this.#past.pop();
    if (before) this.#mask = before;
    this.#draw();
    this.changed();
  }

  // white on the object, black elsewhere
  maskImage() {
    const { width, height } = this.#mask;
    const image = newCanvas(width, height), pen = image.getContext("2d");
    pen.drawImage(this.#mask, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "destination-over";
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, width, height);
    return new Promise((done) => image.toBlob(done, "image/png"));
  }

  #place(event) {
    const box = this.#board.getBoundingClientRect();
    const scale = this.#board.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  #begin(event) {
    if (this.#tool === "look" || event.button !== 0) return;
    this.#board.setPointerCapture(event.pointerId);
    this.#painting = true;
    this.#remember();
    this.#at = this.#place(event);
    this.#stroke(this.#at, this.#at);
  }

  #move(event) {
    if (this.#tool === "look") return;
    const place = this.#place(event);
    if (this.#painting) this.#stroke(this.#at, place);
    this.#hover(place);
  }

  #hover(place) {
    if (this.#painting && place === null) return;
    this.#at = place;
    this.#draw();
  }

  #press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (this.#tool === "look" || !(event.key in steps || event.key === " ")) return;
    event.preventDefault();
    const { width, height } = this.#board;
    const [x, y] = this.#at ?? [width / 2, height / 2];
    if (event.key === " ") {
      this.#remember();
      this.#stroke([x, y], [x, y]);
    }
    const [right, down] = steps[event.key] ?? [0, 0];
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    this.#hover([clamp(x + right * KEY_STEP, width), clamp(y + down * KEY_STEP, height)]);
  }

  #remember() {
    const copy = newCanvas(this.#mask.width, this.#mask.height);
    copy.getContext("2d").drawImage(this.#mask, 0, 0);
    this.#past = [...this.#past.slice(1 - UNDO_STEPS), copy];
    this.changed();
  }

  #stroke([fromX, fromY], [toX, toY]) {
    const pen = this.#mask.getContext("2d");
    pen.globalCompositeOperation = this.#tool === "add" ? "source-over" : "destination-out";
    pen.lineWidth = this.#brush;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY + 0.01); // a line without length is not drawn everywhere
    pen.stroke();
    this.#draw();
  }

  #draw() {
    if (!this.#cutout) return;
    const pen = this.#board.getContext("2d"), { width, height } = this.#board;
    const photo = this.#photo;
    pen.clearRect(0, 0, width, height);
    pen.globalAlpha = 0.35;
    if (this.#tool !== "look") pen.drawImage(photo, 0, 0, width, height);
    pen.globalAlpha = 1;
    pen.drawImage(this.edited ? this.#object(photo) : this.#cutout, 0, 0);
    if (this.#at === null) return;
    pen.beginPath();
    pen.arc(...this.#at, this.#brush / 2, 0, 2 * Math.PI);
    for (const [color, line] of [["#fff", 4], ["#1d5fa8", 2]]) {
      pen.strokeStyle = color;
      pen.lineWidth = line;
      pen.stroke();
    }
  }

  #object(photo) {
    const { width, height } = this.#mask;
    const object = newCanvas(width, height), pen = object.getContext("2d");
    pen.drawImage(this.#mask, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.drawImage(photo, 0, 0, width, height);
    return object;
  }
}
