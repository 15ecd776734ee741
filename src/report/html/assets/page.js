(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("scripted");
  var all = function (selector, within) { return Array.prototype.slice.call((within || document).querySelectorAll(selector)); };
  var svgNS = "http" + "://www.w3.org/2000/svg";

  // Scale tabs: one scale at a time.
  var tabs = all(".tabs button");
  function showScale(scale) {
    tabs.forEach(function (b) { b.setAttribute("aria-pressed", String(b.dataset.scale === scale)); });
    all(".scale").forEach(function (s) { s.classList.toggle("shown", s.dataset.scale === scale); });
  }
  tabs.forEach(function (b) { b.addEventListener("click", function () { showScale(b.dataset.scale); }); });
  if (tabs.length) showScale(tabs[0].dataset.scale);

  // One range or own ranges in the separations.
  var own = document.getElementById("own-scale");
  if (own) own.addEventListener("change", function () {
    document.getElementById("separations").classList.toggle("own-scale", own.checked);
  });
  function openTarget() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();

  // The record.
  var holder = document.getElementById("record-data");
  if (!holder) return;
  var panels = JSON.parse(holder.textContent);
  var marked = null, tip = document.getElementById("tip");

  function decode(text) {
    var raw = atob(text), bytes = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    var view = new DataView(bytes.buffer), out = new Float32Array(raw.length / 4);
    for (i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
    return out;
  }
  // Lowest and highest values of a piece's bins; without bins, its samples.
  function values(piece) {
    if (!piece.lows) { piece.lows = decode(piece.low); piece.highs = piece.high ? decode(piece.high) : piece.lows; }
    return piece;
  }
  function seconds(ms) { return String(+(ms / 1000).toPrecision(3)) + " s"; }
  function two(n) { return (n < 10 ? "0" : "") + n; }
  function stamp(ms, step) {
    var t = new Date(ms), text = two(t.getUTCHours()) + ":" + two(t.getUTCMinutes());
    return step < 60000 ? text + ":" + two(t.getUTCSeconds()) : text;
  }
  function full(ms) { return new Date(ms).toISOString().slice(0, 19).replace("T", " "); }
  function plain(v) {
    var a = Math.abs(v), text = a >= 1e6 || (a > 0 && a < 1e-3) ? a.toExponential(2) : a >= 100 ? a.toFixed(0) : String(+a.toPrecision(3));
    if (text.indexOf("e") < 0) text = text.replace(/\B(?=(\d{3})+(?!\d))/g, text.split(".")[0].length > 4 ? "\u202f" : "");
    return (v < 0 ? "\u2212" : "") + text;
  }
  function niceStep(span, about) {
    var raw = span / about, power = Math.pow(10, Math.floor(Math.log10(raw)));
    return [1, 2, 5, 10].map(function (m) { return m * power; }).filter(function (s) { return s >= raw * 0.75; })[0];
  }
  function timeStep(span, most) {
    var steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
    for (var i = 0; i < steps.length; i++) if (span / (steps[i] * 1000) < most) return steps[i] * 1000;
    return 86400000 * Math.ceil(span / 86400000 / most);
  }
  function el(name, attributes, text) {
    var e = document.createElementNS(svgNS, name);
    for (var key in attributes) e.setAttribute(key, attributes[key]);
    if (text !== undefined) e.textContent = text;
    return e;
  }
  function box(x, y, w, h) { return "M" + x.toFixed(0) + " " + (y * 10) + "h" + Math.max(1, w).toFixed(0) + "v" + (h * 10) + "h-" + Math.max(1, w).toFixed(0) + "z"; }

  function setUp(figure) {
    var p = panels[+figure.dataset.panel], svg = figure.querySelector("svg");
    var from = 0, to = p.span, whole = {};
    all(".yaxis,.xaxis", svg).forEach(function (g) { whole[g.getAttribute("class") + (g.dataset.i || "")] = g.innerHTML; });
    all(".wave,.gaps,.strip path", svg).forEach(function (e) { e.whole = e.getAttribute("d"); e.wholeClass = e.getAttribute("class"); });
    var steps = [];
    p.channels.forEach(function (c) { c.pieces.forEach(function (q) { steps.push(q.step); }); });
    // Shorter intervals would hold a handful of boxes.
    var least = Math.min(p.span, 20 * Math.max.apply(null, steps.concat(50)));
    function x(ms) { return p.left + p.plot * Math.min(1, Math.max(0, (ms - from) / (to - from))); }
    function rects(list, y, h) {
      return list.filter(function (r) { return r[1] > from && r[0] < to; }).map(function (r) {
        return box(10 * x(r[0]), y, 10 * (x(r[1]) - x(r[0])), h);
      }).join("");
    }
    // Groups of bins of each piece that are shown, about one for each pixel: [start, end, lowest, highest].
    function groups(c) {
      return c.pieces.map(values).map(function (q) {
        var a = Math.max(0, Math.floor((from - q.t) / q.step)), b = Math.min(q.lows.length, Math.ceil((to - q.t) / q.step));
        var size = Math.max(1, Math.ceil((to - from) / q.step / 1100)), list = [];
        for (var k = a; k < b; k += size) {
          var e = Math.min(b, k + size), lo = Infinity, hi = -Infinity;
          for (var j = k; j < e; j++) if (isFinite(q.lows[j]) && isFinite(q.highs[j])) { lo = Math.min(lo, q.lows[j]); hi = Math.max(hi, q.highs[j]); }
          list.push([q.t + k * q.step, q.t + e * q.step, lo, hi]);
        }
        return { samples: !q.high && size === 1, step: size * q.step, list: list };
      }).filter(function (g) { return g.list.length; });
    }
    // Samples are joined by a line. Extremes are drawn as boxes over their time: a line from one to the next would show
    // oscillations that are not in the record.
    function wave(c, i) {
      var all_groups = groups(c), low = Infinity, high = -Infinity, d = "", drawn = 0;
      all_groups.forEach(function (g) { g.list.forEach(function (q) { low = Math.min(low, q[2]); high = Math.max(high, q[3]); }); });
      if (!(low <= high)) { low = -1; high = 1; }
      var pad = (high - low) * 0.08 || Math.max(1, Math.abs(low)) * 0.1; low -= pad; high += pad;
      var X = function (ms) { return (10 * x(ms)).toFixed(0) + " "; };
      var Y = function (value) { return Math.round(10 * (c.y + c.h * (high - value) / (high - low))); };
      var samples = all_groups.every(function (g) { return g.samples; });
      all_groups.forEach(function (g) {
        var run = [];
        var flush = function () {
          if (run.length && samples) d += "M" + run.map(function (q) { return X(q[0]) + Y(q[2]); }).join("L") + (run.length === 1 ? "l0 0" : "");
          else if (run.length) d += "M" + run.map(function (q) { return X(q[0]) + Y(q[3]) + "L" + X(q[1]) + Y(q[3]); }).join("L") + "L" +
            run.reverse().map(function (q) { return X(q[1]) + Y(q[2]) + "L" + X(q[0]) + Y(q[2]); }).join("L") + "z";
          run = [];
        };
        g.list.forEach(function (q) { if (q[2] <= q[3]) run.push(q); else flush(); });
        flush();
        drawn = Math.max(drawn, g.step);
      });
      var path = svg.querySelector('.wave[data-i="' + i + '"]');
      path.setAttribute("d", d);
      path.setAttribute("class", samples ? "wave samples" : "wave boxes");
      var axis = svg.querySelector('.yaxis[data-i="' + i + '"]'), t = niceStep(high - low, 3);
      axis.textContent = "";
      for (var m = Math.ceil(low / t); t > 0 && m * t <= high && m - Math.ceil(low / t) < 9; m++) {
        var at = c.y + c.h * (high - m * t) / (high - low);
        axis.appendChild(el("line", { "class": "grid", x1: p.left, x2: p.left + p.plot, y1: at, y2: at }));
        axis.appendChild(el("text", { "class": "label", x: p.left - 6, y: at + 3.5, "text-anchor": "end" }, plain(m * t)));
      }
      return samples ? 0 : drawn;
    }
    function mark() {
      var where = svg.querySelector(".where"), list = [];
      if (marked) p.strips.forEach(function (s) {
        if (String(s.scale) === marked[0]) list = list.concat(s.runs.filter(function (r) { return String(r[2]) === marked[1]; }));
      });
      var last = p.channels[p.channels.length - 1];
      where.setAttribute("d", last ? rects(list, p.channels[0].y, last.y + last.h - p.channels[0].y) : "");
    }
    function draw() {
      var zoomed = to - from < p.span;
      figure.querySelector(".reset").hidden = !zoomed;
      all(".clipped", svg).forEach(function (e) { e.style.display = zoomed ? "none" : ""; });
      if (!zoomed) {
        all(".yaxis,.xaxis", svg).forEach(function (g) { g.innerHTML = whole[g.getAttribute("class") + (g.dataset.i || "")]; });
        all(".wave,.gaps,.strip path", svg).forEach(function (e) { e.setAttribute("d", e.whole); });
        all(".wave", svg).forEach(function (e) { e.setAttribute("class", e.wholeClass); });
        figure.querySelector(".zoom-state").textContent = "";
      } else {
        var drawn = 0;
        p.channels.forEach(function (c, i) {
          drawn = Math.max(drawn, wave(c, i));
          svg.querySelector('.gaps[data-i="' + i + '"]').setAttribute("d", rects(c.gaps, c.y, c.h));
        });
        figure.querySelector(".zoom-state").textContent = full(p.t0 + from) + " to " + full(p.t0 + to) + " UTC, " +
          (drawn ? "each box from the lowest to the highest sample of " + seconds(drawn) : "every sample");
        p.strips.forEach(function (s, i) {
          all('.strip[data-i="' + i + '"] path', svg).forEach(function (path) {
            path.setAttribute("d", rects(s.runs.filter(function (r) { return String(r[2]) === path.dataset.cluster; }), s.y, s.h));
          });
        });
        var axis = svg.querySelector(".xaxis"), step = timeStep(to - from, 13);
        axis.textContent = "";
        for (var t = Math.ceil((p.t0 + from) / step) * step; t <= p.t0 + to; t += step) {
          var at = x(t - p.t0);
          axis.appendChild(el("line", { "class": "tick", x1: at, x2: at, y1: p.bottom, y2: p.bottom + 4 }));
          axis.appendChild(el("text", { "class": "label", x: at, y: p.bottom + 15, "text-anchor": "middle" }, stamp(t, step)));
        }
      }
      mark();
    }
    function ms(event) {
      var r = svg.getBoundingClientRect(), u = (event.clientX - r.left) / r.width * 1200;
      return from + (to - from) * Math.min(1, Math.max(0, (u - p.left) / p.plot));
    }
    var start = null, brush = svg.querySelector(".brush"), cursor = svg.querySelector(".cursor");
    svg.addEventListener("pointerdown", function (e) { if (e.button === 0 && e.pointerType !== "touch") { start = ms(e); try { svg.setPointerCapture(e.pointerId); } catch (_) { } } });
    svg.addEventListener("pointermove", function (e) {
      var t = ms(e);
      cursor.setAttribute("x1", x(t)); cursor.setAttribute("x2", x(t));
      if (start !== null) {
        brush.setAttribute("x", x(Math.min(start, t))); brush.setAttribute("width", x(Math.max(start, t)) - x(Math.min(start, t)));
      }
      hint(e, t);
    });
    svg.addEventListener("pointerup", function (e) {
      if (start === null) return;
      var a = Math.min(start, ms(e)), b = Math.max(start, ms(e));
      start = null; brush.setAttribute("width", 0);
      if (x(b) - x(a) > 6) { b = Math.min(p.span, Math.max(b, a + least)); a = Math.max(0, Math.min(a, b - least)); from = a; to = b; draw(); return; }
      var hit = e.target.dataset && e.target.dataset.cluster !== undefined && e.target;
      var under = document.elementFromPoint(e.clientX, e.clientY);
      if (!hit && under && under.dataset && under.dataset.cluster !== undefined) hit = under;
      if (hit) choose(hit.dataset.scale, hit.dataset.cluster);
    });
    svg.addEventListener("pointercancel", function () { start = null; brush.setAttribute("width", 0); });
    svg.addEventListener("pointerleave", function () { tip.hidden = true; cursor.setAttribute("x1", -9); cursor.setAttribute("x2", -9); });
    function reset() { from = 0; to = p.span; draw(); }
    svg.addEventListener("dblclick", reset);
    figure.querySelector(".reset").addEventListener("click", reset);
    function hint(e, t) {
      tip.textContent = "";
      var line = function (text, colour, quiet) {
        var row = document.createElement("div");
        if (colour !== null) { var i = document.createElement("i"); i.style.background = colour; row.appendChild(i); }
        if (quiet) row.className = "m";
        row.appendChild(document.createTextNode(text)); tip.appendChild(row);
      };
      line(full(p.t0 + t) + " UTC", null, false);
      p.channels.forEach(function (c) {
        var text = "gap";
        c.pieces.forEach(function (q) {
          var j = Math.floor((t - q.t) / q.step);
          if (j < 0 || j >= values(q).lows.length || !isFinite(q.lows[j])) return;
          text = q.high ? plain(q.lows[j]) + " to " + plain(q.highs[j]) + " in " + seconds(q.step) : plain(q.lows[j]);
        });
        line(c.code + "  " + text, null, true);
      });
      p.strips.forEach(function (s) {
        var r = s.runs.filter(function (r) { return r[0] <= t && t < r[1]; })[0];
        if (r) line(s.scale + ":" + r[2] + (r[3] >= 0 ? "  p = " + (r[3] / 100).toFixed(2) : ""), "var(--c" + r[2] % 27 + ")", false);
      });
      tip.hidden = false;
      var w = tip.offsetWidth, h = tip.offsetHeight;
      tip.style.left = Math.max(4, Math.min(e.clientX + 16, window.innerWidth - w - 8)) + "px";
      tip.style.top = Math.max(4, Math.min(e.clientY + 16, window.innerHeight - h - 8)) + "px";
    }
    return mark;
  }
  var marks = all("figure.day").map(setUp);

  function choose(scale, cluster) {
    var same = marked && marked[0] === String(scale) && marked[1] === String(cluster);
    marked = same ? null : [String(scale), String(cluster)];
    document.getElementById("record").classList.toggle("marked", !!marked);
    all("#record [data-cluster]").forEach(function (e) {
      e.classList.toggle("hit", !!marked && e.dataset.scale === marked[0] && e.dataset.cluster === marked[1]);
    });
    marks.forEach(function (m) { m(); });
  }
  all(".chip").forEach(function (chip) {
    chip.addEventListener("click", function () {
      choose(chip.dataset.scale, chip.dataset.cluster);
      if (!chip.closest("#record") && marked) document.getElementById("record").scrollIntoView();
    });
  });
})();
