// The page's side of bigstack.view: asks for pictures of what is in sight, and draws them.
function element(parent, tag, style, attributes = {}) {
  const found = document.createElement(tag);
  found.style.cssText = style;
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  parent.appendChild(found);
  return found;
}

function select(parent, label, names) {
  const found = element(parent, "select", "margin-right:6px", { "aria-label": label });
  names.forEach((name, i) => found.add(new Option(name, i)));
  return found;
}

function render({ model, el }) {
  const info = model.get("info");
  const bar = element(el, "div", "display:flex;flex-wrap:wrap;gap:4px;align-items:center;margin-bottom:4px");
  const layer = select(bar, "layer", info.layers);
  const channel = select(bar, "channel", []);
  const frame = element(bar, "input", "", { type: "range", min: 0, max: Math.max(0, info.frames - 1), value: 0, "aria-label": "frame" });
  const said = element(bar, "span", "font:12px sans-serif;color:inherit");
  const canvas = element(el, "canvas", `width:100%;height:${info.shown}px;background:#222;touch-action:none;cursor:grab;display:block`,
    { tabindex: 0, role: "img", "aria-label": "image; drag to move, wheel to zoom" });
  const split = element(el, "input", "width:100%", { type: "range", min: 0, max: 100, value: 0, "aria-label": "compare with a frame" });
  if (!info.frames) frame.style.display = split.style.display = "none";
  const pen = canvas.getContext("2d");
  let scale = 0, cx = info.width / 2, cy = info.height / 2, number = 0, timer = null;
  const pictures = { after: null, before: null };
  const latest = { after: 0, before: 0 };

  const fit = () => Math.min(canvas.width / info.width, canvas.height / info.height);
  const sight = () => {
    const w = canvas.width / scale / 2, h = canvas.height / scale / 2;
    return [Math.max(0, Math.floor(cy - h)), Math.max(0, Math.floor(cx - w)),
            Math.min(info.height, Math.ceil(cy + h)), Math.min(info.width, Math.ceil(cx + w))];
  };
  function channels() {
    const names = info.channels[info.layers[layer.value]];
    channel.length = 0;
    if (names.length > 1) channel.add(new Option("all channels", ""));
    names.forEach((name, i) => channel.add(new Option(name, i)));
    channel.style.display = names.length > 1 ? "" : "none";
  }
  function draw() {
    pen.fillStyle = "#222";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingEnabled = scale < 1;
    const edge = canvas.width * split.value / 100;
    for (const kind of ["after", "before"]) {
      const found = pictures[kind];
      if (!found || (kind === "before" && !edge)) continue;
      pen.save();
      pen.beginPath();
      if (kind === "before") pen.rect(0, 0, edge, canvas.height); else pen.rect(edge, 0, canvas.width, canvas.height);
      pen.clip();
      const [y0, x0, y1, x1] = found.region;
      pen.drawImage(found.image, (x0 - cx) * scale + canvas.width / 2, (y0 - cy) * scale + canvas.height / 2,
        (x1 - x0) * scale, (y1 - y0) * scale);
      pen.restore();
    }
    if (edge) { pen.fillStyle = "#fff"; pen.fillRect(edge - 1, 0, 2, canvas.height); }
  }
  function ask(kind) {
    const region = sight(), [y0, x0, y1, x1] = region;
    if (y1 <= y0 || x1 <= x0) return;
    const factor = Math.min(1, scale);
    latest[kind] = ++number;
    model.send({ id: number, kind, region, layer: info.layers[layer.value], frame: +frame.value,
      channel: channel.value === "" || channel.length < 2 ? null : +channel.value,
      shape: [Math.ceil((y1 - y0) * factor), Math.ceil((x1 - x0) * factor)] });
    said.textContent = "computing …";
  }
  function update() {
    draw();
    clearTimeout(timer);
    timer = setTimeout(() => { ask("after"); if (+split.value) ask("before"); }, 120);
  }
  function zoom(by, px = canvas.width / 2, py = canvas.height / 2) {
    const next = Math.min(16, Math.max(fit() / 2, scale * by));
    cx += (px - canvas.width / 2) * (1 / scale - 1 / next);
    cy += (py - canvas.height / 2) * (1 / scale - 1 / next);
    scale = next;
    update();
  }
  function whole() { scale = fit(); cx = info.width / 2; cy = info.height / 2; update(); }
  model.on("msg:custom", async (found, buffers) => {
    if (found.id !== latest[found.kind]) return;
    if (found.problem) { said.textContent = found.problem; return; }
    if (!buffers || !buffers.length) {
      said.textContent = "zoom in: this sight would take too much computing";
      return;
    }
    const image = await createImageBitmap(new Blob([buffers[0]], { type: "image/jpeg" }));
    pictures[found.kind] = { image, region: found.region };
    said.textContent = `${found.region[3] - found.region[1]} × ${found.region[2] - found.region[0]} pixels`;
    el.dataset.drawn = (+(el.dataset.drawn || 0)) + 1;
    draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); canvas.style.cursor = "grabbing"; });
  canvas.addEventListener("pointerup", () => { canvas.style.cursor = "grab"; });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    cx -= event.movementX / scale;
    cy -= event.movementY / scale;
    update();
  });
  canvas.addEventListener("keydown", (event) => {
    const step = 50 / scale;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) { cx += moves[event.key][0]; cy += moves[event.key][1]; update(); }
    else if (event.key === "+") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "0") whole();
    else return;
    event.preventDefault();
  });
  layer.onchange = () => { channels(); pictures.after = null; update(); };
  channel.onchange = update;
  frame.oninput = () => { pictures.before = null; update(); };
  split.oninput = () => { draw(); if (+split.value && !pictures.before) update(); };
  channels();
  const watch = new ResizeObserver(() => {
    canvas.width = canvas.clientWidth;
    canvas.height = canvas.clientHeight;
    if (canvas.width && !scale) whole(); else update();
  });
  watch.observe(canvas);
  return () => watch.disconnect();
}

export default { render };
