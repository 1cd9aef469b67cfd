'use strict';
// Shows the frames of GET /stream and sends fingers and keys by POST /touch: all in order, one request at a time, the
// state repeated every 100 ms while one is down. The server cancels every touch and key after 300 ms without a report.
const screen = document.getElementById('screen');
const pen = screen.getContext('2d', { alpha: false });
const veil = document.querySelector('#veil span');
const take = document.getElementById('take');
const client = Array.from(crypto.getRandomValues(new Uint8Array(12)), b => b.toString(16).padStart(2, '0')).join('');
const fingers = new Map(); // pointer id -> {id, x, y}
let outbox = [], acked = 0, drawn = 0, sending = false;
const state = { frames: 0, live: false, controls: false };
window.fountain = state; // for tests

function fit() {
  if (!screen.width) return;
  const k = Math.min(innerWidth / screen.width, innerHeight / screen.height);
  screen.style.width = Math.floor(screen.width * k) + 'px';
  screen.style.height = Math.floor(screen.height * k) + 'px';
}
addEventListener('resize', fit);

function live(on, text) {
  state.live = on;
  document.body.classList.toggle('live', on);
  if (text) veil.textContent = text;
}

function controls(on) {
  state.controls = on;
  take.hidden = on || !state.live;
}

// ── frames ──────────────────────────────────────────────────────────────────────────────────────────────────────────
async function watch() {
  const answer = await fetch('stream?client=' + client, { cache: 'no-store' });
  if (answer.status === 403) { live(false, 'This page has expired. Open the printed address again.'); return false; }
  if (!answer.ok) throw new Error('stream ' + answer.status);
  acked = drawn = 0;
  const reader = answer.body.getReader();
  let parts = [], have = 0;
  const need = async n => { // n bytes in one array
    while (have < n) {
      const { done, value } = await reader.read();
      if (done) throw new Error('stream ended');
      parts.push(value); have += value.length;
    }
    if (parts[0].length < n) {
      const all = new Uint8Array(have);
      let at = 0;
      for (const p of parts) { all.set(p, at); at += p.length; }
      parts = [all];
    }
    const out = parts[0].subarray(0, n);
    have -= n;
    if (parts[0].length === n) parts.shift(); else parts[0] = parts[0].subarray(n);
    return out;
  };
  let rects = [];
  for (;;) {
    const head = await need(4);
    const size = new DataView(head.buffer, head.byteOffset).getUint32(0);
    const body = await need(size);
    const kind = String.fromCharCode(body[0]);
    if (kind === 'I' || kind === 'C') {
      const info = JSON.parse(new TextDecoder().decode(body.subarray(1)));
      if (kind === 'I') {
        if (screen.width !== info.w || screen.height !== info.h) { screen.width = info.w; screen.height = info.h; fit(); }
        live(true);
      }
      controls(info.controls);
    } else if (kind === 'R') {
      const v = new DataView(body.buffer, body.byteOffset);
      const frame = v.getUint32(1), last = body[5];
      const picture = createImageBitmap(new Blob([body.slice(14)]));
      rects.push({ x: v.getUint16(6), y: v.getUint16(8), picture });
      if (!last) continue;
      const ready = await Promise.all(rects.map(r => r.picture));
      rects.forEach((r, i) => { pen.drawImage(ready[i], r.x, r.y); ready[i].close(); });
      rects = [];
      state.frames++;
      drawn = frame;
      flush();
    }
  }
}

async function run() {
  for (let wait = 250; ; wait = Math.min(wait * 2, 4000)) {
    const began = Date.now();
    try {
      if (await watch() === false) return;
    } catch { /* the veil says it */ }
    drop();
    live(false, 'Reconnecting…');
    controls(false);
    if (Date.now() - began > 5000) wait = 250;
    await new Promise(done => setTimeout(done, wait));
  }
}

// ── fingers ─────────────────────────────────────────────────────────────────────────────────────────────────────────
function place(e) {
  const box = screen.getBoundingClientRect();
  return { x: (e.clientX - box.left) * screen.width / box.width, y: (e.clientY - box.top) * screen.height / box.height };
}

function report(p, f, t) {
  const tail = outbox[outbox.length - 1];
  if (p === 'move' && tail && tail.p === 'move' && tail.id === f.id && outbox.length > 32) outbox.pop();
  outbox.push({ p, id: f.id, x: f.x, y: f.y, t });
  flush();
}

async function flush() {
  if (sending || !state.live || (!outbox.length && drawn === acked)) return;
  sending = true;
  while (state.live && (outbox.length || drawn !== acked)) {
    const events = outbox.splice(0, 128), ack = drawn;
    try {
      const answer = await fetch('touch', {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ client, ack, events }),
      });
      acked = ack;
      if (answer.ok && events.length) controls((await answer.json()).controls);
    } catch { break; } // the stream ends too and starts again
  }
  sending = false;
}

screen.addEventListener('pointerdown', e => {
  if (e.pointerType === 'mouse' && e.button !== 0) return;
  e.preventDefault();
  if (!state.live) return;
  screen.setPointerCapture(e.pointerId);
  const f = { id: e.pointerId, ...place(e) };
  fingers.set(e.pointerId, f);
  report('down', f, e.timeStamp);
});
screen.addEventListener('pointermove', e => {
  const f = fingers.get(e.pointerId);
  if (!f) return;
  Object.assign(f, place(e));
  report('move', f, e.timeStamp);
});
function lift(p) {
  return e => {
    const f = fingers.get(e.pointerId);
    if (!f) return;
    fingers.delete(e.pointerId);
    if (p === 'up') Object.assign(f, place(e));
    report(p, f, e.timeStamp);
  };
}
screen.addEventListener('pointerup', lift('up'));
screen.addEventListener('pointercancel', lift('cancel'));
screen.addEventListener('lostpointercapture', lift('cancel'));
screen.addEventListener('contextmenu', e => e.preventDefault());

// Four keys drive the screen. Whoever only watches keeps the browser's own.
const meanings = {
  Tab: 'next', ArrowRight: 'next', ArrowDown: 'next', ArrowLeft: 'previous', ArrowUp: 'previous',
  Enter: 'select', ' ': 'select', Escape: 'back', Backspace: 'back',
};
const keys = new Map(); // of the keyboard -> what it means
function key(p, k, t) {
  outbox.push({ p, k, t });
  flush();
}
addEventListener('keydown', e => {
  if (!state.live || !state.controls || e.ctrlKey || e.altKey || e.metaKey || !meanings[e.key]) return;
  e.preventDefault();
  const k = e.key === 'Tab' && e.shiftKey ? 'previous' : meanings[e.key];
  if (e.repeat || keys.has(e.code)) return;
  if (![...keys.values()].includes(k)) key('down', k, e.timeStamp);
  keys.set(e.code, k);
});
addEventListener('keyup', e => {
  const k = keys.get(e.code);
  if (!keys.delete(e.code) || [...keys.values()].includes(k)) return;
  e.preventDefault();
  key('up', k, e.timeStamp);
});

function drop() { // forgets fingers and keys the server has cancelled or will
  fingers.clear();
  keys.clear();
  outbox = [];
}
function cancelAll() {
  for (const f of fingers.values()) report('cancel', f, performance.now());
  for (const k of new Set(keys.values())) key('cancel', k, performance.now());
  fingers.clear();
  keys.clear();
}
addEventListener('blur', cancelAll);
addEventListener('pagehide', cancelAll);
document.addEventListener('visibilitychange', () => { if (document.hidden) cancelAll(); });
setInterval(() => {
  for (const f of fingers.values()) report('move', f, performance.now());
  for (const k of new Set(keys.values())) key('move', k, performance.now());
}, 100);

take.addEventListener('click', async () => {
  const answer = await fetch('control', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ client }),
  });
  if (answer.ok) controls(true);
});

run();
