"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);
const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const shown = (v, digits = 5) => Number.isFinite(v) ? String(+v.toPrecision(digits)) : "none";
// For tests, and for who wants the numbers from the console.
const page = (window.bigstack = { data });

function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}
function sized(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(window.devicePixelRatio || 1, 2);
  const w = Math.max(1, Math.round(box.width * ratio)), h = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  return ratio;
}
function picture(src) {
  const image = new Image();
  image.decoding = "async";
  image.src = src;
  return image;
}
/** Drag, wheel and two fingers on a canvas; where in its own pixels. */
function gestures(canvas, { down, drag, pinch, wheel, move, up }) {
  const fingers = new Map();
  const at = (e) => {
    const box = canvas.getBoundingClientRect();
    return { x: (e.clientX - box.left) * canvas.width / box.width, y: (e.clientY - box.top) * canvas.height / box.height };
  };
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    fingers.set(e.pointerId, at(e));
    if (down) down(at(e), fingers.size);
  });
  canvas.addEventListener("pointermove", (e) => {
    const now = at(e);
    if (!fingers.has(e.pointerId)) { if (move) move(now); return; }
    const before = fingers.get(e.pointerId);
    if (fingers.size === 2 && pinch) {
      const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
      const length = (p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
      pinch(length(now) / length(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else if (drag) drag(now.x - before.x, now.y - before.y, now);
    if (move) move(now);
    fingers.set(e.pointerId, now);
  });
  const end = (e) => { fingers.delete(e.pointerId); if (up) up(); };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  if (wheel) canvas.addEventListener("wheel", (e) => { e.preventDefault(); wheel(Math.exp(-e.deltaY * 0.0015), at(e)); }, { passive: false });
}

/* ---- light or dark ---- */
by("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  by("theme").setAttribute("aria-pressed", String(!dark));
});
if (by("copy")) by("copy").addEventListener("click", async () => {
  const text = by("command").textContent;
  try { await navigator.clipboard.writeText(text); by("copy").textContent = "Copied"; }
  catch { getSelection().selectAllChildren(by("command")); by("copy").textContent = "Selected"; }
});

/* ---- the result beside a frame ---- */
if (data.picture) {
  const canvas = by("viewer"), c = canvas.getContext("2d");
  const result = picture(data.picture), frames = [];
  const [height, width] = data.shape;
  let number = data.first, split = 0.5, scale = 0, x0 = 0, y0 = 0, grabbed = false, fitted = true;
  const frame = (i) => frames[i] || (frames[i] = Object.assign(picture(data.frames[i]), { onload: draw }));
  const fitScale = () => Math.min(canvas.width / width, canvas.height / height);
  function fit() { sized(canvas); scale = fitScale(); x0 = (canvas.width - width * scale) / 2; y0 = (canvas.height - height * scale) / 2; fitted = true; draw(); }
  function keep() {
    const w = width * scale, h = height * scale;
    x0 = w <= canvas.width ? (canvas.width - w) / 2 : clamp(x0, canvas.width - w, 0);
    y0 = h <= canvas.height ? (canvas.height - h) / 2 : clamp(y0, canvas.height - h, 0);
  }
  function zoom(by_, at) {
    at = at || { x: canvas.width / 2, y: canvas.height / 2 };
    const next = clamp(scale * by_, fitScale(), Math.max(8, fitScale() * 8));
    x0 = at.x - (at.x - x0) * next / scale; y0 = at.y - (at.y - y0) * next / scale; scale = next;
    fitted = scale <= fitScale() * 1.0001; keep(); draw();
  }
  const line = () => clamp(split, 0, 1) * canvas.width;
  function draw() {
    if (!scale) return;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, canvas.width, canvas.height);
    c.imageSmoothingEnabled = scale < 3 * width / (result.naturalWidth || width);
    c.imageSmoothingQuality = "high";
    if (result.complete && result.naturalWidth) c.drawImage(result, x0, y0, width * scale, height * scale);
    const other = frame(number), x = line();
    if (other.complete && other.naturalWidth) {
      c.save(); c.beginPath(); c.rect(0, 0, x, canvas.height); c.clip();
      c.fillStyle = "#000"; c.fillRect(0, 0, x, canvas.height);
      c.drawImage(other, x0, y0, width * scale, height * scale); c.restore();
    }
    c.fillStyle = "#fff"; c.strokeStyle = "#000"; c.lineWidth = 1;
    c.fillRect(x - 1, 0, 2, canvas.height); c.strokeRect(x - 1.5, -1, 3, canvas.height + 2);
    c.beginPath(); c.arc(x, canvas.height / 2, 11, 0, 7); c.fill(); c.stroke();
    const say = `${data.names[number]} on the left, result on the right, at ${shown(100 * split, 3)} %, zoom ${shown(100 * scale / (window.devicePixelRatio || 1), 3)} %.`;
    by("viewer-says").textContent = say;
    page.viewer = { split, number, scale, x0, y0 };
  }
  function divide(value) { split = clamp(value, 0, 1); by("split").value = 100 * split; draw(); }
  function choose(i) { number = (i + data.frames.length) % data.frames.length; by("frame").value = number; draw(); }
  canvas.style.aspectRatio = `${width} / ${height}`;
  by("frame").value = number;
  by("split").addEventListener("input", (e) => divide(e.target.value / 100));
  by("frame").addEventListener("change", (e) => choose(+e.target.value));
  by("frame-back").addEventListener("click", () => choose(number - 1));
  by("frame-on").addEventListener("click", () => choose(number + 1));
  by("zoom-in").addEventListener("click", () => zoom(1.5));
  by("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
  by("zoom-fit").addEventListener("click", fit);
  by("zoom-one").addEventListener("click", () => zoom((window.devicePixelRatio || 1) / scale));
  gestures(canvas, {
    down: (p) => { grabbed = Math.abs(p.x - line()) < 18; },
    drag: (dx, dy, p) => { if (grabbed) divide(p.x / canvas.width); else { x0 += dx; y0 += dy; keep(); draw(); } },
    pinch: zoom, wheel: zoom,
    move: (p) => { canvas.style.cursor = Math.abs(p.x - line()) < 18 ? "ew-resize" : "grab"; },
    up: () => { grabbed = false; },
  });
  canvas.addEventListener("keydown", (e) => {
    const step = 60, keys = {
      ArrowLeft: () => { x0 += step; }, ArrowRight: () => { x0 -= step; }, ArrowUp: () => { y0 += step; }, ArrowDown: () => { y0 -= step; },
      "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit, "[": () => divide(split - 0.02), "]": () => divide(split + 0.02),
      ",": () => choose(number - 1), ".": () => choose(number + 1),
    };
    if (!keys[e.key] || e.ctrlKey || e.metaKey) return;
    e.preventDefault(); keys[e.key](); keep(); draw();
  });
  result.onload = fit;
  new ResizeObserver(() => { sized(canvas); if (fitted) fit(); else { keep(); draw(); } }).observe(canvas);
}

/* ---- maps ---- */
// Viridis as a polynomial of degree 6 a channel.
const VIRIDIS = [[0.2777273272, 0.0054073445, 0.3340998053], [0.1050930431, 1.4046135299, 1.3845901626], [-0.3308618287, 0.2148475595, 0.0950951630], [-4.6342304990, -5.7991009734, -19.3324409563], [6.2282699363, 14.1799333668, 56.6905526007], [4.7763849977, -13.7451453777, -65.3530326334], [-5.4354558559, 4.6458526122, 26.3124352496]];
function colour(t) {
  t = clamp(t, 0, 1);
  return [0, 1, 2].map((k) => { let v = 0; for (let i = 6; i >= 0; i--) v = v * t + VIRIDIS[i][k]; return clamp(Math.round(255 * v), 0, 255); });
}
if (data.maps.length) {
  const [rows, columns] = data.mapShape, LEVELS = 65534;
  const maps = data.maps.map((m) => ({ ...m, steps: new Uint16Array(bytes(m.data).buffer) }));
  const masks = data.masks.map((m) => ({ ...m, bits: bytes(m.data), on: m.shown }));
  const value = (m, i) => m.steps[i] ? m.low + (m.steps[i] - 1) / LEVELS * (m.high - m.low) : NaN;
  const canvas = by("depth-map"), c = canvas.getContext("2d");
  const table = Array.from({ length: 256 }, (_, i) => colour(i / 255));
  canvas.width = columns; canvas.height = rows; canvas.style.aspectRatio = `${columns} / ${rows}`;
  canvas.style.width = `min(100%, calc(78vh * ${columns / rows}))`;
  let map = maps[0], at = null, painted = null;
  function paint() {
    const pixels = c.createImageData(columns, rows), on = masks.filter((m) => m.on);
    for (let i = 0; i < rows * columns; i++) {
      const v = value(map, i);
      let rgb = Number.isFinite(v) ? table[clamp(Math.round(255 * (v - map.dark) / (map.bright - map.dark)), 0, 255)] : [60, 60, 60];
      const y = Math.floor(i / columns), x = i % columns;
      for (const m of on) if (m.bits[i] && ((x + y) >> 1) % 3 === 0) rgb = m.colour;
      pixels.data.set([rgb[0], rgb[1], rgb[2], 255], 4 * i);
    }
    painted = pixels; redraw();
    by("bar").style.background = `linear-gradient(var(--to), ${Array.from({ length: 17 }, (_, i) => `rgb(${table[Math.min(255, 16 * i)].join()})`).join()})`;
    by("bar-high").textContent = (map.high > map.bright * 1.0001 ? "≥ " : "") + shown(map.bright, 4);
    by("bar-low").textContent = (map.low < map.dark - 1e-9 ? "≤ " : "") + shown(map.dark, 4);
    by("bar-unit").textContent = map.unit;
  }
  function redraw() {
    c.putImageData(painted, 0, 0);
    if (!at) return;
    c.strokeStyle = "#fff"; c.lineWidth = Math.max(1, columns / 700);
    c.beginPath(); c.arc(at.x + 0.5, at.y + 0.5, Math.max(4, columns / 120), 0, 7); c.stroke();
    c.strokeStyle = "#000"; c.beginPath(); c.arc(at.x + 0.5, at.y + 0.5, Math.max(5, columns / 100), 0, 7); c.stroke();
  }
  function tell(p) {
    at = { x: clamp(Math.floor(p.x), 0, columns - 1), y: clamp(Math.floor(p.y), 0, rows - 1) };
    const i = at.y * columns + at.x, unit = (m) => m.unit ? ` ${m.unit}` : "";
    const first = Math.floor(data.step / 2), full = (n, size) => Math.min(n * data.step + Math.min(first, size - 1), size - 1);
    const parts = maps.map((m) => `${m.label} ${shown(value(m, i))}${unit(m)}`);
    const flags = masks.filter((m) => m.bits[i]).map((m) => m.label);
    by("depth-says").textContent = `x ${full(at.x, data.mapFull[1])}, y ${full(at.y, data.mapFull[0])}: ${[...parts, ...flags].join(", ")}`;
    page.pointer = { ...at, values: Object.fromEntries(maps.map((m) => [m.name, value(m, i)])) };
    redraw();
  }
  gestures(canvas, { down: tell, move: tell });
  canvas.addEventListener("keydown", (e) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (!move) return;
    e.preventDefault();
    const far = e.shiftKey ? 10 : 1, from = at || { x: columns >> 1, y: rows >> 1 };
    tell({ x: from.x + far * move[0], y: from.y + far * move[1] });
  });
  document.querySelectorAll("input[name=map]").forEach((radio) => radio.addEventListener("change", () => { map = maps.find((m) => m.name === radio.value); paint(); }));
  document.querySelectorAll("input[data-mask]").forEach((box) => box.addEventListener("change", () => { masks[+box.dataset.mask].on = box.checked; paint(); }));
  paint();
  surface(maps[0]);
}

/* ---- the surface ---- */
function surface(map) {
  const canvas = by("surface-view"), gl = canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) { by("surface-says").textContent = "This browser shows no WebGL, so there is no surface to turn."; canvas.style.display = "none"; return; }
  if (!gl.getExtension("OES_standard_derivatives")) { by("surface-says").textContent = "This browser's WebGL lacks what the surface needs."; canvas.style.display = "none"; return; }
  const [h, w] = data.surface.shape, side = Math.max(h, w), steps = new Uint16Array(bytes(data.surface.data).buffer);
  const span = map.bright - map.dark, heights = Float32Array.from(steps, (s) => s ? clamp((map.low + (s - 1) / 65534 * (map.high - map.low) - map.dark) / span, -0.1, 1.1) - 0.5 : NaN);
  const points = new Float32Array(h * w * 5);
  for (let y = 0, k = 0; y < h; y++) for (let x = 0; x < w; x++) {
    const z = heights[y * w + x];
    points.set([(2 * x - w + 1) / side, (h - 1 - 2 * y) / side, Number.isFinite(z) ? z : 0, (x + 0.5) / w, (y + 0.5) / h], k);
    k += 5;
  }
  const triangles = [];
  for (let y = 0; y + 1 < h; y++) for (let x = 0; x + 1 < w; x++) {
    const a = y * w + x, b = a + 1, d = a + w, e = d + 1;
    if (![a, b, d, e].every((i) => Number.isFinite(heights[i]))) continue;
    triangles.push(a, d, b, b, d, e);
  }
  const shader = (kind, text) => { const s = gl.createShader(kind); gl.shaderSource(s, text); gl.compileShader(s); if (!gl.getShaderParameter(s, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(s)); return s; };
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `attribute vec3 p; attribute vec2 t; uniform mat4 m; uniform float high; varying vec2 u; varying float z; varying vec3 place;
    void main(){ u = t; z = p.z + 0.5; place = vec3(p.xy, p.z * high); gl_Position = m * vec4(place, 1.0); }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `#extension GL_OES_standard_derivatives : enable
    precision mediump float; varying vec2 u; varying float z; varying vec3 place; uniform sampler2D s, ramp; uniform float paint;
    void main(){ vec3 n = normalize(cross(dFdx(place), dFdy(place))); float light = 0.55 + 0.45 * abs(dot(n, normalize(vec3(0.4, 0.5, 1.0))));
      vec3 c = mix(texture2D(ramp, vec2(clamp(z, 0.01, 0.99), 0.5)).rgb, texture2D(s, u).rgb, paint); gl_FragColor = vec4(c * mix(light, 0.5 + 0.5 * light, paint), 1.0); }`));
  gl.linkProgram(program); gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer()); gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer()); gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(triangles), gl.STATIC_DRAW);
  for (const [name, size, offset] of [["p", 3, 0], ["t", 2, 12]]) { const at = gl.getAttribLocation(program, name); gl.enableVertexAttribArray(at); gl.vertexAttribPointer(at, size, gl.FLOAT, false, 20, offset); }
  const place = Object.fromEntries(["m", "high", "paint", "s", "ramp"].map((n) => [n, gl.getUniformLocation(program, n)]));
  function texture(unit, source, width, height) {
    gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    if (source instanceof Uint8Array) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, width, height, 0, gl.RGB, gl.UNSIGNED_BYTE, source);
    else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, source);
    for (const k of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, k, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  }
  texture(1, new Uint8Array(Array.from({ length: 256 }, (_, i) => colour(i / 255)).flat()), 256, 1);
  let turnX = -0.9, turnZ = 0.5, far = 2.7, timer = 0, skin = false;
  // A true height can be too flat to see: then it starts exaggerated, and says so.
  const usual = clamp(0.4 / data.relief, 1, 50);
  by("height").max = 3 * usual; by("height").step = usual / 20; by("height").value = usual;
  const start = () => { turnX = -0.9; turnZ = 0.5; far = 2.7; by("height").value = usual; };
  function matrix(aspect) {
    const flip = by("upside").checked ? 1 : -1; // depth grows away from the viewer, so what is near stands up
    const [sx, cx, sz, cz] = [Math.sin(turnX), Math.cos(turnX), Math.sin(turnZ), Math.cos(turnZ)];
    // Turn about z, then about x; then push away and look through a lens of 45 degrees.
    const r = [[cz, -sz, 0], [sz * cx, cz * cx, -sx * flip], [sz * sx, cz * sx, cx * flip]], f = 1 / Math.tan(Math.PI / 8), near = 0.05, last = 30;
    const a = (near + last) / (near - last), b = 2 * near * last / (near - last), out = [];
    for (let k = 0; k < 3; k++) out.push(r[0][k] * f / aspect, r[1][k] * f, r[2][k] * a, -r[2][k]);
    out.push(0, 0, -far * a + b, far);
    return new Float32Array(out);
  }
  function draw() {
    sized(canvas); gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0.063, 0.075, 0.09, 1); gl.enable(gl.DEPTH_TEST); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix4fv(place.m, false, matrix(canvas.width / canvas.height));
    gl.uniform1f(place.high, data.relief * by("height").value);
    gl.uniform1f(place.paint, by("paint").checked && skin ? 1 : 0);
    gl.uniform1i(place.s, 0); gl.uniform1i(place.ramp, 1);
    gl.drawElements(gl.TRIANGLES, triangles.length, gl.UNSIGNED_SHORT, 0);
    by("surface-says").textContent = `${w} × ${h} points, ${data.trueHeight ? `height × ${shown(+by("height").value, 2)}, ` : ""}turned ${Math.round(turnZ * 57.3)}°, tilted ${Math.round(-turnX * 57.3)}°.`;
    page.surface = { turnX, turnZ, far, triangles: triangles.length / 3, error: gl.getError() };
  }
  const turn = (dz, dx) => { turnZ += dz; turnX = clamp(turnX + dx, -1.57, 0.3); draw(); };
  const nearer = (by_) => { far = clamp(far / by_, 0.8, 12); draw(); };
  gestures(canvas, { drag: (dx, dy) => turn(dx * 0.008, dy * 0.008), pinch: nearer, wheel: nearer });
  canvas.addEventListener("keydown", (e) => {
    const keys = { ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0), ArrowUp: () => turn(0, -0.1), ArrowDown: () => turn(0, 0.1), "+": () => nearer(1.15), "=": () => nearer(1.15), "-": () => nearer(0.87) };
    if (!keys[e.key] || e.ctrlKey || e.metaKey) return;
    e.preventDefault(); keys[e.key]();
  });
  by("height").addEventListener("input", draw); by("paint").addEventListener("change", draw); by("upside").addEventListener("change", draw);
  by("reset").addEventListener("click", () => { start(); draw(); });
  by("turn").addEventListener("click", () => {
    const on = !timer; by("turn").setAttribute("aria-pressed", String(on));
    cancelAnimationFrame(timer); timer = 0;
    const go = () => { turn(0.012, 0); timer = requestAnimationFrame(go); };
    if (on) go();
  });
  new ResizeObserver(draw).observe(canvas);
  if (data.picture) {
    const image = picture(data.picture);
    image.onload = () => { const small = document.createElement("canvas"), k = Math.min(1, 1024 / Math.max(image.naturalWidth, image.naturalHeight));
      small.width = Math.max(1, image.naturalWidth * k); small.height = Math.max(1, image.naturalHeight * k);
      small.getContext("2d").drawImage(image, 0, 0, small.width, small.height);
      gl.activeTexture(gl.TEXTURE0); texture(0, small); skin = true; draw(); };
  } else by("paint").disabled = true;
  draw();
}
})();
