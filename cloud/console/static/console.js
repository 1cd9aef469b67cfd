// Draws what the server sends. All text goes in as text, never as markup.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const most = 60;
  const ml = (ul) => Math.round(ul / 1000).toString();
  const pad = (n) => String(n).padStart(2, "0");
  const today = new Date().toDateString();
  setInterval(() => { if (new Date().toDateString() !== today) location.reload(); }, 60000); // "today" is another one

  function el(tag, cls, ...children) {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    for (const c of children) e.append(c);
    return e;
  }
  function time(iso, seconds) {
    const d = new Date(iso);
    const day = d.toDateString() === today ? "" : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} `;
    const t = el("time", "", `${day}${pad(d.getHours())}:${pad(d.getMinutes())}` + (seconds ? `:${pad(d.getSeconds())}` : ""));
    t.dateTime = iso;
    return t;
  }
  function percent(p) {
    return p.target_ul > 0 ? Math.max(0, Math.min(100, Math.floor((p.ul * 100) / p.target_ul))) : 0;
  }
  function coloured(e, p) {
    e.style.setProperty("--c", p.colour);
    e.style.setProperty("--p", percent(p) + "%");
    e.setAttribute("aria-hidden", "true");
    return e;
  }

  function pourRow(p) {
    const end = el("span", "end", el("span", "", p.says));
    if (p.why) end.append(" ", el("small", "", p.why));
    if (p.rig === "sim") end.append(" ", el("small", "", "sim"));
    const bar = el("span", "bar", coloured(el("i"), p));
    bar.setAttribute("aria-hidden", "true");
    const row = el("li", `pour fresh ${p.outcome}`,
      coloured(el("span", "level"), p),
      el("span", "what", el("small", "", p.brand), el("b", "", p.name)),
      el("span", "where", time(p.received, true), " " + p.thing),
      el("span", "much", el("b", "", ml(p.ul)), " ml ", el("small", "", "of " + ml(p.target_ul))),
      bar, end);
    row.dataset.n = p.n;
    return row;
  }

  function onPour(p) {
    const list = $("pours");
    for (const li of list.children) {
      if (li.dataset.n === String(p.n)) return;
    }
    list.querySelector(".none")?.remove();
    let before = list.firstElementChild;
    while (before && Number(before.dataset.n) > p.n) before = before.nextElementSibling;
    list.insertBefore(pourRow(p), before);
    while (list.children.length > most) list.lastElementChild.remove();
    $("say").textContent = `${p.name}, ${ml(p.ul)} millilitres, ${p.says}, on ${p.thing}`;
  }

  function onUnit(u) {
    const item = (dt, dd, cls) => el("div", cls || "", el("dt", "", dt), el("dd", "", String(dd)));
    const state = el("p", "state", el("span", "dot"), u.online ? "online" : "offline");
    if (u.since) state.append(" since ", time(u.since, false)); else state.append(", never seen");
    const facts = el("dl", "", item("stored up to", u.stored), item("waiting on the unit", u.reported ? u.backlog : "not told"));
    if (u.missing) facts.append(item("missing", u.missing, "warn"));
    if (u.alarm) facts.append(item("alarm", u.alarm, "warn"));
    const li = el("li", "unit" + (u.online ? " on" : ""), el("h3", "", u.thing), state, facts,
      el("p", "last", u.last ? `Last: ${u.last.brand} ${u.last.name}, ${ml(u.last.ul)} ml` : "No pour yet"));
    li.id = "unit-" + u.thing;
    const old = $(li.id);
    if (old) { old.replaceWith(li); return; }
    const list = $("units");
    list.querySelector(".none")?.remove();
    const after = [...list.children].find((c) => c.id > li.id);
    list.insertBefore(li, after || null);
  }

  function onTotals(t) {
    const list = $("totals");
    if (t.totals.length) {
      list.replaceChildren(...t.totals.map((x) => {
        const sep = el("span", "sep");
        return el("li", x.rig, el("b", "", String(x.pours)), x.pours === 1 ? " drink " : " drinks ", sep, el("b", "", (x.ul / 1e6).toFixed(2)), " litres ",
          el("em", "", x.rig === "sim" ? "simulated" : "real"));
      }));
    }
    const h = $("health");
    h.hidden = !(t.counts.conflicts || t.counts.quarantined);
    h.classList.toggle("conflict", t.counts.unseen > 0);
    const [a, b, c] = h.querySelectorAll("b");
    a.textContent = t.counts.conflicts;
    b.textContent = t.counts.unseen;
    c.textContent = t.counts.quarantined;
    showConflicts(t.counts.unseen);
  }

  function text(base64) {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
  }

  let unseen = 0;
  let shown = []; // ids of the conflicts on the page: only those can be said to be seen
  async function showConflicts(n) {
    const box = $("conflicts");
    if (n === unseen) return;
    unseen = n;
    const list = n > 0 ? await (await fetch("/api/conflicts")).json() : [];
    shown = list.map((x) => x.id);
    box.querySelector("ul").replaceChildren(...list.map((x) =>
      el("li", "", el("b", "", x.thing), ` record ${x.seq} of log ${x.log}, received `, time(new Date(x.received).toISOString(), true),
        x.times > 1 ? ` and ${x.times - 1}× again` : "", el("details", "", el("summary", "", "What it says"), el("pre", "", text(x.body))))));
    box.hidden = list.length === 0;
  }
  $("conflicts").querySelector("button").addEventListener("click", async () => {
    const box = $("conflicts");
    const by = box.querySelector("input");
    const say = box.querySelector("[role=alert]");
    if (!by.value.trim()) { by.focus(); say.textContent = "Say who you are."; return; }
    const r = await fetch("/api/conflicts/seen", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ by: by.value, ids: shown }) });
    say.textContent = r.ok ? "" : "That did not work: " + r.status;
    unseen = -1; // as it stands now
    if (r.ok) onTotals(await (await fetch("/api/totals")).json());
  });

  function link(cls, text) {
    $("link").className = "link " + cls;
    $("link").querySelector(".text").textContent = text;
  }

  const source = new EventSource("/events?after=" + document.body.dataset.after);
  source.onopen = () => link("live", "live");
  source.onerror = () => link("lost", "connection lost, trying again");
  source.addEventListener("pour", (e) => onPour(JSON.parse(e.data)));
  source.addEventListener("unit", (e) => onUnit(JSON.parse(e.data)));
  source.addEventListener("totals", (e) => onTotals(JSON.parse(e.data)));
  source.addEventListener("reload", () => location.reload());
})();
