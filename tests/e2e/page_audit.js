// What a page shows, judged by the formulas of WCAG 2.2; asked by test_serve_page.py.

const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
  .getContext("2d", { willReadFrequently: true });

// any CSS color -> red, green, blue, alpha in 0..255
const rgba = (color) => {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = color;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
};

const over = ([r, g, b, a], below) =>
  [r, g, b].map((value, i) => (value * a + below[i] * (255 - a)) / 255);

const lineage = (element) => (element ? [...lineage(element.parentElement), element] : []);

// the color behind an element; pictures are not seen
const paper = (element) =>
  lineage(element)
    .map((each) => rgba(getComputedStyle(each).backgroundColor))
    .reduce((below, above) => over(above, below), [255, 255, 255]);

// relative luminance
const light = (color) => {
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = color.map((value) => linear(value / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

const ownText = (element) =>
  [...element.childNodes].map((node) => (node.nodeType === 3 ? node.data : "")).join("").trim();

// [text, ratio] of every element that shows text and can be used
const contrasts = () =>
  [...document.querySelectorAll("header *, main *, footer *")]
    .filter((each) => ownText(each) && each.checkVisibility() && !each.matches(":disabled"))
    .map((each) => {
      const opacity = lineage(each).reduce((product, at) => product * getComputedStyle(at).opacity, 1);
      const [r, g, b, a] = rgba(getComputedStyle(each).color), below = paper(each);
      const [dark, bright] = [light(over([r, g, b, a * opacity], below)), light(below)].sort((x, y) => x - y);
      return [ownText(each), (bright + 0.05) / (dark + 0.05)];
    });

// elements that a screen reader has no words for
const nameless = () =>
  [...document.querySelectorAll("button, a, input, select, summary, img, canvas, mesh-view")]
    .filter((each) => each.checkVisibility())
    .filter((each) => !each.getAttribute("aria-label") && each.getAttribute("alt") === null)
    .filter((each) => !each.textContent.trim() && !each.labels?.length)
    .filter((each) => ![...each.querySelectorAll("img")].some((picture) => picture.alt))
    .map((each) => each.outerHTML);

globalThis.audit = { contrasts, nameless, darkness: () => 1 - light(paper(document.body)) };
