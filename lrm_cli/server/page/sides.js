// Photos of the object's other sides: a field for each, which shows what is cut out of its photo.

export class SidePhotos {
  #photos = new Map(); // side -> file
  #slots;
  #cut;

  // group: element with a [data-side] for every side; cut: (file) => promise of the cut-out as a
  // blob; complain: (error) => void; changed: () => void, whenever a photo comes, is ready or goes
  constructor(group, { cut, complain, changed }) {
    this.#slots = new Map([...group.querySelectorAll("[data-side]")].map((slot) => [slot.dataset.side, slot]));
    this.#cut = cut;
    this.complain = complain;
    this.changed = changed;
    for (const [side, slot] of this.#slots) {
      const input = slot.querySelector("input");
      input.addEventListener("change", () => this.add(side, input.files[0]));
    }
  }

  get photos() {
    return Object.fromEntries(this.#photos);
  }

  get busy() {
    return [...this.#slots.values()].some((slot) => slot.classList.contains("cutting"));
  }

  async add(side, file) {
    if (!file) return;
    this.complain(null);
    this.#photos.set(side, file);
    this.#empty(side);
    const slot = this.#slots.get(side);
    slot.classList.add("cutting");
    this.changed();
    try {
      const image = await this.#cut(file);
      if (this.#photos.get(side) === file) this.#show(side, image);
    } catch (error) {
      if (this.#photos.get(side) !== file) return;
      this.remove(side);
      this.complain(error);
    } finally {
      if ((this.#photos.get(side) ?? file) === file) slot.classList.remove("cutting");
      this.changed();
    }
  }

  remove(side) {
    this.#photos.delete(side);
    this.#empty(side);
    this.changed();
  }

  clear() {
    for (const side of this.#slots.keys()) this.remove(side);
  }

  // cut all of them out again, one after the other: the server takes few at a time
  async renew() {
    for (const [side, file] of [...this.#photos]) {
      if (this.#photos.get(side) === file) await this.add(side, file);
    }
  }

  #empty(side) {
    const slot = this.#slots.get(side), picture = slot.querySelector("img");
    if (picture) URL.revokeObjectURL(picture.src);
    slot.classList.remove("cutting");
    slot.querySelector("input").value = "";
    for (const part of slot.querySelectorAll("img, button")) part.remove();
  }

  #show(side, blob) {
    const slot = this.#slots.get(side);
    const alt = `The object cut out of the photo: ${side}`;
    const picture = Object.assign(new Image(), { src: URL.createObjectURL(blob), alt });
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    button.setAttribute("aria-label", `Remove the photo: ${side}`);
    button.addEventListener("click", () => {
      this.remove(side);
      slot.querySelector("input").focus();
    });
    slot.querySelector("label").prepend(picture);
    slot.append(button);
  }
}
