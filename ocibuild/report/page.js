// The map of sizes, the list of files and the search. All text goes in as text, never as HTML.
"use strict";

const WIDEST = 1000, NARROWEST = 300, HEIGHT = 400, ROWS = 200, COLOURS = 8, SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function drawn(name, attributes, ...content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

// Characters that cannot be seen, or that turn the direction of writing, are spelled out.
function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => "\\u{" + char.codePointAt(0).toString(16) + "}");
}

function humanSize(size) {
  if (size < 1000) return size + "B";
  for (const unit of ["kB", "MB", "GB"]) {
    size /= 1000;
    if (size < 999.5) return Number(size.toPrecision(3)) + unit;
  }
  return Number((size / 1000).toPrecision(3)) + "TB";
}

// The columns that Python wrote, as a tree: parents stand before their children.
class Files {
  constructor(columns) {
    this.columns = columns;
    const count = columns.name.length;
    this.parent = new Int32Array(count).fill(-1);
    this.total = new Float64Array(count);
    this.layer = new Int32Array(count);
    this.marked = new Uint8Array(count);
    this.children = new Map();
    const open = [];
    for (let node = 0; node < count; node++) {
      while (open.length && open[open.length - 1].left === 0) open.pop();
      if (open.length) {
        const above = open[open.length - 1];
        above.left--;
        this.parent[node] = above.node;
        this.children.get(above.node).push(node);
      }
      if (this.isDirectory(node)) {
        this.children.set(node, []);
        open.push({ node, left: columns.size[node] });
      }
    }
    this.addUp(count);
  }

  addUp(count) {
    const largest = new Float64Array(count);
    for (let node = count - 1; node >= 0; node--) {
      if (this.mode(node)[0] === "-") this.total[node] = this.columns.size[node]; // a hard link has no bytes of its own
      if (!this.isDirectory(node)) this.layer[node] = this.kind(node)[2];
      if (this.kind(node)[3]) this.marked[node] = 1;
      const above = this.parent[node];
      if (above < 0) continue;
      this.total[above] += this.total[node];
      this.marked[above] |= this.marked[node];
      if (this.total[node] >= largest[above]) {
        largest[above] = this.total[node];
        this.layer[above] = this.layer[node] || this.kind(node)[2]; // of what is largest in it
      }
    }
  }

  kind(node) { return this.columns.kinds[this.columns.attributes[node]]; }
  mode(node) { return this.kind(node)[0]; }
  isDirectory(node) { return this.mode(node)[0] === "d"; }
  name(node) { return visible(this.columns.name[node]); }
  link(node) { return this.columns.links[node]; }

  way(node) {
    const nodes = [];
    for (; node >= 0; node = this.parent[node]) nodes.unshift(node);
    return nodes;
  }

  path(node) { return "/" + this.way(node).slice(1).map((part) => this.columns.name[part]).join("/"); }

  paths() {
    if (!this.known) {
      this.known = [];
      for (let node = 0; node < this.parent.length; node++) {
        const above = this.parent[node];
        this.known.push(above < 0 ? "/" : (above ? this.known[above] : "") + "/" + this.columns.name[node]);
      }
    }
    return this.known;
  }
}

// Squarified treemap (Bruls, Huizing, van Wijk 2000): rows of items, each row as square as it gets.
function squarify(items, box) {
  const placed = [];
  let { x, y, width, height } = box;
  let left = items.reduce((sum, item) => sum + item.size, 0);
  for (let start = 0; start < items.length && left > 0;) {
    const side = Math.min(width, height), scale = (width * height) / left;
    let end = start, sum = 0, worst = Infinity;
    while (end < items.length) {
      const next = sum + items[end].size, area = next * scale;
      const ratio = Math.max((side * side * items[start].size * scale) / (area * area),
        (area * area) / (side * side * items[end].size * scale));
      if (ratio > worst) break;
      worst = ratio;
      sum = next;
      end++;
    }
    const thick = (sum * scale) / side;
    let along = 0;
    for (const item of items.slice(start, end)) {
      const long = (item.size * scale) / thick;
      placed.push(width >= height
        ? { item, x, y: y + along, width: thick, height: long }
        : { item, x: x + along, y, width: long, height: thick });
      along += long;
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    left -= sum;
    start = end;
  }
  return placed;
}

class Browser {
  constructor(root, files, number) {
    this.files = files;
    this.search = element("input", { type: "search", id: "find" + number, placeholder: "part of a path", autocomplete: "off", spellcheck: "false" });
    this.onlyMarked = element("input", { type: "checkbox", id: "marked" + number });
    this.status = element("p", { role: "status", class: "hint" });
    this.way = element("ol", { class: "path" });
    this.map = drawn("svg", { class: "map", role: "group", "aria-label": "Map of sizes" });
    this.rows = element("tbody", {});
    const tools = element("div", { class: "tools", role: "search" },
      element("label", { for: this.search.id }, "Find files "), this.search);
    if (files.marked[0]) tools.append(element("span", {}, this.onlyMarked, element("label", { for: this.onlyMarked.id }, " only what is new or differs")));
    root.append(tools, element("nav", { "aria-label": "Directory" }, this.way), this.map, this.status, this.table());
    this.search.addEventListener("input", () => this.show(this.directory));
    this.onlyMarked.addEventListener("change", () => this.show(this.directory));
    this.show(0);
    // The letters of the map keep their size: it is drawn again when its width changes, or its image is opened.
    new ResizeObserver(() => { if (this.map.clientWidth && this.width() !== this.drawnWidth) this.draw(this.directory); }).observe(this.map);
  }

  table() {
    const heads = ["name", "size", "", "mode", "owner", "layer"];
    const row = element("tr", {}, ...heads.map((head) => element("th", head === "size" ? { scope: "col", class: "number" } : { scope: "col" }, head)));
    if (this.files.marked[0]) row.prepend(element("th", { scope: "col" }, element("span", { class: "hidden" }, "difference")));
    return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Files" },
      element("table", {}, element("caption", { class: "hidden" }, "Files"), element("thead", {}, row), this.rows));
  }

  find(text) {
    this.search.value = text;
    this.show(this.directory);
  }

  show(directory) {
    this.directory = directory;
    const wanted = this.search.value.trim().toLowerCase();
    const shown = wanted ? this.found(wanted) : this.inside(directory);
    for (const part of [this.map, this.way]) part.style.display = wanted ? "none" : "";
    this.way.replaceChildren(...this.files.way(directory).map((node, place, all) => this.step(node, place === all.length - 1)));
    this.rows.replaceChildren(...shown.slice(0, ROWS).map((node) => this.row(node, wanted)));
    const rest = shown.length > ROWS ? `, the first ${ROWS} are shown` : "";
    this.status.textContent = wanted
      ? `${shown.length.toLocaleString("en")} found${rest}`
      : `${shown.length.toLocaleString("en")} in this directory${rest}, ${humanSize(this.files.total[directory])}`;
    if (!wanted) this.draw(directory);
  }

  found(wanted) {
    const found = [];
    this.files.paths().forEach((path, node) => {
      if (path.toLowerCase().includes(wanted) && this.isWanted(node)) found.push(node);
    });
    return found;
  }

  inside(directory) {
    const inside = this.files.children.get(directory).filter((node) => this.isWanted(node));
    return inside.sort((a, b) => this.files.total[b] - this.files.total[a] || a - b);
  }

  isWanted(node) { return !this.onlyMarked.checked || this.files.marked[node]; }

  enter(directory) {
    this.search.value = "";
    this.show(directory);
    this.way.lastElementChild.firstElementChild.focus();
  }

  step(node, isLast) {
    const name = node ? this.files.name(node) : "root";
    const button = this.opener(node, name);
    if (isLast) button.setAttribute("aria-current", "location");
    return element("li", {}, button);
  }

  row(node, isFound) {
    const files = this.files, [mode, owner, layer, mark, extras] = files.kind(node);
    const name = isFound ? visible(files.path(node)) : files.name(node) + (files.isDirectory(node) ? "/" : "");
    const label = element("td", { class: "value name" });
    if (files.isDirectory(node)) label.append(this.opener(node, name));
    else if (isFound) { // with a way to where it is
      const place = name.lastIndexOf("/") + 1;
      label.append(this.opener(files.parent[node], name.slice(0, place)), name.slice(place));
    } else label.append(name);
    if (files.link(node) !== undefined) label.append(" → " + visible(files.link(node)));
    if (extras) label.append(element("span", { class: "hint" }, "  " + visible(extras)));
    return element("tr", {}, ...(files.marked[0] ? [this.sign(mark)] : []), label,
      element("td", { class: "number" }, humanSize(files.isDirectory(node) ? files.total[node] : mode[0] === "h" ? 0 : files.columns.size[node])),
      isFound ? element("td", {}) : this.share(node), element("td", { class: "short" }, element("code", {}, mode)), element("td", { class: "short" }, owner),
      element("td", {}, element("span", { class: "swatch layer" + ((layer - 1) % COLOURS), "aria-hidden": "true" }), " " + layer));
  }

  opener(directory, name) {
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => this.enter(directory));
    return button;
  }

  sign(mark) {
    if (!mark) return element("td", {});
    const word = mark === "+" ? "added" : "changed";
    return element("td", {}, element("span", { class: "sign " + word, "aria-hidden": "true" }, mark), element("span", { class: "hidden" }, word));
  }

  share(node) {
    const whole = this.files.total[Math.max(0, this.files.parent[node])] || 1;
    const bar = element("span", { class: "share", "aria-hidden": "true" });
    bar.style.width = (100 * this.files.total[node]) / whole + "%";
    return element("td", { class: "shares" }, bar);
  }

  width() { return Math.max(NARROWEST, Math.min(WIDEST, this.map.clientWidth || WIDEST)); }

  draw(directory) {
    const width = this.drawnWidth = this.width();
    this.map.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.map.replaceChildren(...this.boxes(directory, { x: 0, y: 0, width, height: HEIGHT }, 0));
  }

  boxes(directory, box, depth) {
    const items = this.files.children.get(directory)
      .filter((node) => this.files.total[node] > 0)
      .map((node) => ({ node, size: this.files.total[node] }))
      .sort((a, b) => b.size - a.size);
    return squarify(items, box).filter((one) => one.width > 1.5 && one.height > 1.5).map((one) => this.box(one, depth));
  }

  // A directory is a frame with what is in it, as far as there is room. A click opens any of them; the keyboard stops at the
  // outermost only, for there may be hundreds, and the list below has the rest.
  box({ item, x, y, width, height }, depth) {
    const files = this.files, node = item.node;
    const words = `${files.name(node)} ${humanSize(item.size)}`;
    const isFrame = files.isDirectory(node) && depth < 2 && width > 60 && height > 44;
    const rect = drawn("rect", { x, y, width, height, class: isFrame ? "frame" : "layer" + ((files.layer[node] - 1) % COLOURS) });
    const group = drawn("g", {}, rect, drawn("title", {}, `${visible(files.path(node))}, ${humanSize(item.size)}, layer ${files.layer[node]}`));
    if (width > 46 && height > 18) {
      const room = Math.floor((width - 8) / 7), name = files.name(node);
      const shown = words.length <= room ? words : name.length <= room ? name : name.slice(0, room - 1) + "…";
      group.append(drawn("text", { x: x + 5, y: y + 14 }, shown));
    }
    if (isFrame) group.append(...this.boxes(node, { x: x + 3, y: y + 19, width: width - 6, height: height - 22 }, depth + 1));
    if (files.isDirectory(node)) {
      group.classList.add("opens");
      group.addEventListener("click", (event) => { event.stopPropagation(); this.enter(node); });
      if (depth === 0) this.makeButton(group, node, words);
    }
    return group;
  }

  makeButton(group, node, words) {
    for (const [key, value] of Object.entries({ role: "button", tabindex: "0", "aria-label": "open " + words })) group.setAttribute(key, value);
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.enter(node);
    });
  }
}

const browsers = [...document.querySelectorAll(".browser")].map((root, number) =>
  new Browser(root, new Files(JSON.parse(root.querySelector(".data").textContent)), number));

// report.html#find=TEXT is a link to what a search finds.
function followLink() {
  const match = /^#find=(.*)$/.exec(location.hash);
  if (!match) return;
  let text = match[1];
  try { text = decodeURIComponent(text); } catch { /* not encoded: taken as it stands */ }
  for (const browser of browsers) browser.find(text);
}
window.addEventListener("hashchange", followLink);
followLink();
