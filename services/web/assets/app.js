// The console alive: charts, the city's clock, and pages that renew themselves when something happens.
// Pages are whole without it. Text from outside is only ever set as text or taken from pages the server escaped.
"use strict";
(() => {
  const { lang, liveOn, liveOff, waiting, failed } = document.body.dataset;
  const COLOURS = ["#58aefc", "#45c98e", "#b39bff", "#ffb547", "#ff8fb1", "#5fd6c6"];
  const [INK, GRID, BAD] = ["#9fb0c8", "#1c2a40", "#ff7069"];
  const FONT = getComputedStyle(document.documentElement).fontFamily;
  const ZONE = "Asia/Shanghai";
  const charts = [];
  let cityMs = null;

  // ---- times and numbers of the city
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: ZONE, hourCycle: "h23", year: "numeric", month: "2-digit",
    day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const at = (ms) => Object.fromEntries(parts.formatToParts(new Date(ms)).map((p) => [p.type, p.value]));
  const stamp = (ms) => { const t = at(ms); return `${t.year}-${t.month}-${t.day} ${t.hour}:${t.minute}:${t.second}`; };
  const tick = (seconds, stepS) => {
    const t = at(seconds * 1000);
    if (stepS >= 28 * 86400) return `${t.year}-${t.month}`;
    if (stepS >= 86400) return `${t.month}-${t.day}`;
    return t.hour === "00" && t.minute === "00" ? `${t.month}-${t.day}` : `${t.hour}:${t.minute}`;
  };
  const number = (value, decimals) => value == null ? "—"
    : value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

  // ---- charts: time in seconds on one shared axis, a column a line
  const columns = (spec) => {
    const times = [...new Set(spec.lines.flatMap((line) => line.points.map((p) => p[0])))].sort((a, b) => a - b);
    const lines = spec.lines.map((line) => {
      const values = new Map(line.points);
      return times.map((t) => values.has(t) ? values.get(t) : undefined);
    });
    return [times.map((t) => t / 1000), ...lines];
  };

  const FIXED = { plan: "#8296b2", limit: BAD, dots: "#ffb547" };
  const stroke = (spec, i) => FIXED[spec.lines[i].style] ?? COLOURS[i % COLOURS.length];

  const lineOf = (spec, i, width) => {
    const line = spec.lines[i], colour = stroke(spec, i);
    const value = (_, v) => v == null ? "" : `${number(v, spec.decimals)} ${spec.unit}`;
    // a line crosses the times of others, but not a gap of its own: one much longer than its usual distance
    const usual = () => {
      const apart = line.points.slice(1).map((p, k) => p[0] - line.points[k][0]).sort((a, b) => a - b);
      return Math.max(spec.gap_ms, 3 * (apart[apart.length >> 1] ?? 0));
    };
    const gaps = (u, at, from, to, ranges) => {
      if (!spec.gap_ms || line.style === "plan" || line.style === "limit") return [];
      const found = [], most = usual();
      let last = null;
      for (let k = from; k <= to; k++) {
        if (u.data[at][k] == null) continue;
        if (last != null && (u.data[0][k] - u.data[0][last]) * 1000 > most) {
          found.push([u.valToPos(u.data[0][last], "x", true), u.valToPos(u.data[0][k], "x", true)]);
        }
        last = k;
      }
      return found;
    };
    const common = { label: line.label, stroke: colour, value, spanGaps: false, gaps };
    if (line.style === "plan" || line.style === "limit") return { ...common, width: 1.5, dash: [6, 4], points: { show: false } };
    // dots that lie close must not hide each other, nor the line below
    const dense = line.points.length * 9 > width * (line.points.at(-1)?.[0] - line.points[0]?.[0]) / (spec.to - spec.from);
    const dots = dense ? { size: 2.5, width: 0, stroke: colour } : { size: 7, width: 1, stroke: "#111926" };
    if (line.style === "dots") return { ...common, width: 0, paths: () => null, points: { show: true, fill: colour, ...dots } };
    if (spec.kind === "bars") return { ...common, width: 0, fill: colour + "b8", paths: uPlot.paths.bars({ size: [.72, 28], radius: .15 }), points: { show: false } };
    return { ...common, width: 1.75, fill: spec.lines.filter((l) => l.style === "line").length === 1 ? colour + "1f" : undefined, points: { show: line.points.length < 3, size: 5 } };
  };

  // the limit as a dashed red line with its edition, the episode as a shade
  const marks = (spec) => (u) => {
    const { ctx, bbox } = u, ratio = devicePixelRatio;
    ctx.save();
    if (spec.episode) {
      const [begin, end] = spec.episode;
      const left = Math.max(u.valToPos(begin / 1000, "x", true), bbox.left);
      const right = Math.min(end == null ? bbox.left + bbox.width : u.valToPos(end / 1000, "x", true), bbox.left + bbox.width);
      if (right >= left) {
        ctx.fillStyle = "#ff70691a";
        ctx.fillRect(left, bbox.top, Math.max(right - left, 2 * ratio), bbox.height);
        ctx.fillStyle = "#ff706980";
        ctx.fillRect(left, bbox.top, ratio, bbox.height);
      }
    }
    for (const limit of spec.limits) {
      const y = Math.round(u.valToPos(limit.value, "y", true));
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = BAD;
      ctx.lineWidth = 1.5 * ratio;
      ctx.setLineDash([7 * ratio, 5 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      const text = `${limit.label} · ${number(limit.value, spec.decimals)} ${spec.unit}`.trim();
      ctx.font = `600 ${11 * ratio}px ${FONT}`;
      const below = y - bbox.top < 20 * ratio;
      const width = Math.min(ctx.measureText(text).width, bbox.width - 12 * ratio);
      const left = bbox.left + bbox.width - width - 6 * ratio;
      ctx.fillStyle = "#111926b3";
      ctx.fillRect(left - 4 * ratio, below ? y + 3 * ratio : y - 18 * ratio, width + 8 * ratio, 15 * ratio);
      ctx.fillStyle = BAD;
      ctx.textAlign = "left";
      ctx.textBaseline = below ? "top" : "bottom";
      ctx.fillText(text, left, below ? y + 5 * ratio : y - 4 * ratio, width);
    }
    ctx.restore();
  };

  const range = (spec) => (_, min, max) => {
    const values = spec.limits.map((limit) => limit.value).concat(min == null ? [] : [min, max]);
    if (!values.length) return [0, 1];
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = (high - low || Math.abs(high) || 1) * .12;
    high += pad;
    low = low >= 0 && (spec.kind === "bars" || low - pad < 0 || low < high * .35) ? 0 : low - pad;
    return [low, high];
  };

  const draw = (figure) => {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const empty = document.createElement("p");
    empty.className = "empty";
    const legend = () => figure.querySelector(".u-legend")?.offsetHeight ?? 24;
    const size = (below) => ({ width: Math.max(figure.clientWidth, 200), height: Math.max(figure.clientHeight - below, 120) });
    const pad = spec.kind === "bars" ? spec.gap_ms / 8 : 0;  // half a period, so that the last bar is whole
    const options = {
      ...size(28), tzDate: (s) => uPlot.tzDate(new Date(s * 1000), ZONE), padding: [10, 22, 0, 0],
      scales: { x: { time: true, range: () => [(spec.from - pad) / 1000, (spec.to + pad) / 1000] }, y: { range: range(spec) } },
      axes: [
        { stroke: INK, font: `11px ${FONT}`, grid: { show: false }, ticks: { stroke: GRID, size: 4 }, space: 64, size: 28, values: (_, splits, __, ___, step) => splits.map((s) => tick(s, step)) },
        { stroke: INK, font: `11px ${FONT}`, grid: { stroke: GRID, width: 1 }, ticks: { show: false }, space: 36, gap: 6,
          size: (_, values) => 16 + 6.6 * Math.max(2, ...(values ?? []).map((v) => String(v).length)), values: (_, splits) => splits.map((v) => v == null ? "" : v.toLocaleString("en-US")) },
      ],
      series: [{ label: lang === "zh" ? "时间" : "Time", value: (_, s) => s == null ? "" : stamp(s * 1000) }, ...spec.lines.map((_, i) => lineOf(spec, i, figure.clientWidth))],
      legend: { live: true, markers: { width: 0, fill: (_, i) => i && stroke(spec, i - 1) } }, cursor: { y: false, points: { size: 7 }, focus: { prox: 24 } },
      hooks: { drawClear: [], draw: [marks(spec)] },
    };
    const plot = new uPlot(options, columns(spec), figure);
    figure.append(empty);
    const fit = () => plot.setSize(size(legend()));
    new ResizeObserver(fit).observe(figure);
    const chart = { spec, plot, empty };
    charts.push(chart);
    renew(chart, false);
  };

  const renew = (chart, isFailed) => {
    const { spec, plot, empty } = chart;
    plot.setData(columns(spec));
    const none = spec.lines.every((line) => line.points.length === 0);
    empty.textContent = isFailed ? failed : none ? waiting : "";
  };

  // what came since the last point, by the API that everybody uses; all of it when a line has become too long to be drawn well
  const LONG = 6000;
  const refresh = async (chart) => {
    const { spec } = chart;
    if (spec.follow_ms == null || cityMs == null || document.hidden) return;
    spec.to = cityMs;
    spec.from = cityMs - spec.follow_ms;
    let isFailed = false;
    await Promise.all(spec.lines.filter((line) => line.source).map(async (line) => {
      const last = line.points.length > LONG ? spec.from : line.points.at(-1)?.[0] ?? spec.from;
      const query = new URLSearchParams({ source: line.source, metric: line.metric, [spec.step_s ? "limit" : "points"]: "2000",
        from: new Date(Math.max(last, spec.from)).toISOString(), to: new Date(spec.to + 1000).toISOString() });
      if (spec.step_s) query.set("step", spec.step_s);
      try {
        const answer = await fetch(`/api/v1/query?${query}`);
        if (!answer.ok) throw new Error(answer.status);
        const came = (await answer.json()).points.map((p) => [Date.parse(p.time), p.value]);
        const begin = came.length ? came[0][0] : Infinity;
        line.points = line.points.filter((p) => p[0] >= spec.from && p[0] < begin).concat(came);
      } catch { isFailed = true; }
    }));
    renew(chart, isFailed);
  };
  const refreshAll = () => Promise.all(charts.map(refresh));

  // ---- parts of the page that renew themselves: the server's own page, fetched again
  const regions = () => [...document.querySelectorAll("[data-live]")];
  let fetching = false, again = false;
  const renewPage = async () => {
    if (document.hidden || !regions().length) return;
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const region of regions()) {
          const next = page.querySelector(`[data-live="${region.dataset.live}"]`);
          if (!next || next.innerHTML === region.innerHTML || region.contains(document.activeElement)) continue;
          const seen = new Set([...region.querySelectorAll("[data-key]")].map((e) => e.dataset.key));
          const scroll = region.querySelector("ol")?.scrollTop;
          region.replaceChildren(...next.childNodes);
          region.className = next.className;
          for (const e of region.querySelectorAll("[data-key]")) if (!seen.has(e.dataset.key)) e.classList.add("new");
          if (scroll) region.querySelector("ol").scrollTop = scroll;
        }
      }
    } catch { /* the live stream says when we are cut off */ }
    setTimeout(() => { fetching = false; if (again) { again = false; renewPage(); } }, 1500);
  };

  // ---- the live stream
  const pulse = document.getElementById("pulse"), clock = document.getElementById("clock");
  const tell = (isOn) => {
    pulse.className = `pulse ${isOn ? "on" : "off"}`;
    pulse.querySelector("span").textContent = isOn ? liveOn : liveOff;
  };
  const listen = () => {
    const source = new EventSource("/api/v1/live");
    source.onopen = () => { tell(true); renewPage(); };
    source.onerror = () => { tell(false); if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000); };
    source.addEventListener("anomaly", renewPage);
    source.addEventListener("order", renewPage);
    source.addEventListener("catalogue", renewPage);
    source.addEventListener("tick", (event) => {
      const told = JSON.parse(event.data);
      if (told.city_time) {
        const first = cityMs == null;
        cityMs = Date.parse(told.city_time);
        clock.textContent = stamp(cityMs);
        if (first) refreshAll();
      }
      for (const [key, count] of Object.entries({ open: told.open, overdue: told.counts?.overdue, active: told.counts?.active })) {
        const shown = document.querySelector(`[data-count="${key}"]`);
        if (shown && count != null) shown.textContent = count;
      }
    });
  };

  document.querySelectorAll("figure.chart").forEach(draw);
  // a filter that is chosen is a filter that is wanted; empty fields stay out of the address
  document.querySelectorAll("form.filters").forEach((form) => {
    form.addEventListener("change", (event) => { if (event.target.matches("select, [type=checkbox]")) form.requestSubmit(); });
    form.addEventListener("submit", () => form.querySelectorAll("input, select").forEach((e) => { if (!e.value) e.disabled = true; }));
  });
  addEventListener("pageshow", () => document.querySelectorAll("form.filters :disabled").forEach((e) => { e.disabled = false; }));
  // a limit that is tried: asked once the hand rests, and only the last answer is shown
  document.querySelectorAll("form[data-what-if]").forEach((form) => {
    form.hidden = false;
    const told = form.querySelector("[data-failed]");
    let asked = 0;
    let rest;
    const ask = async () => {
      const own = ++asked;
      try {
        const response = await fetch(`${form.dataset.whatIf}?value=${encodeURIComponent(form.value.value)}`);
        const answer = await response.json();
        if (own !== asked) return;
        told.textContent = response.ok ? "" : answer.error;
        form.querySelectorAll("[data-of]").forEach((cell) => {
          const [side, what] = cell.dataset.of.split(".");
          cell.textContent = response.ok ? answer[side][what] : "—";
        });
      } catch (error) {
        if (own === asked) told.textContent = String(error);
      }
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      form.shown.textContent = Number(Number(form.value.value).toPrecision(6));
      clearTimeout(rest);
      rest = setTimeout(ask, 200);
    });
    ask();
  });
  const every = document.querySelector("[data-every]")?.dataset.every;
  if (every) setInterval(renewPage, every * 1000);
  setInterval(refreshAll, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { renewPage(); refreshAll(); } });
  listen();
})();
