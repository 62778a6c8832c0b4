// Makes every explorer on the page that is still a picture into a live one. See _page.py for the data.
(function () {
  "use strict";
  var W = 340, H = 250, BOX = { left: 22, right: 18, top: 8, bottom: 38 }, LETTER = 6.5;

  function svg(name, attributes, parent) {
    var node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (var key in attributes) node.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(node);
    return node;
  }

  function html(name, attributes, parent, text) {
    var node = document.createElement(name);
    for (var key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  function write(parent, x, y, text, attributes) {
    var node = svg("text", Object.assign({ x: x, y: y, "text-anchor": "middle" }, attributes), parent);
    node.textContent = text;
  }

  function at(values, state) {
    return values.by.reduce(function (data, name) { return data[state[name]]; }, values.data);
  }

  // From data to the picture's own units.
  function scales(panel) {
    var x = panel.x_lim, y = panel.y_lim;
    var longest = Math.max.apply(null, panel.y_ticks.map(function (tick) { return tick[1].length; }));
    var left = BOX.left + LETTER * longest, bottom = H - BOX.bottom;
    var width = W - left - BOX.right, height = bottom - BOX.top;
    var perX = width / (x[1] - x[0]), perY = height / (y[1] - y[0]);
    if (panel.equal) {
      perX = perY = Math.min(perX, perY);
      left += (width - perX * (x[1] - x[0])) / 2;
      bottom -= (height - perY * (y[1] - y[0])) / 2;
    }
    return {
      labelX: left - LETTER * longest - BOX.left,
      x: function (v) { return left + (v - x[0]) * perX; },
      y: function (v) { return bottom - (v - y[0]) * perY; },
      toX: function (p) { return x[0] + (p - left) / perX; },
      toY: function (p) { return y[0] + (bottom - p) / perY; }
    };
  }

  function mix(cells, value) {
    var share = Math.min(1, Math.max(0, (value - cells.low) / (cells.high - cells.low)));
    var place = share * (cells.colors.length - 1);
    var from = Math.min(Math.floor(place), cells.colors.length - 2);
    return [1, 3, 5].map(function (digit) {
      var a = parseInt(cells.colors[from].slice(digit, digit + 2), 16);
      var b = parseInt(cells.colors[from + 1].slice(digit, digit + 2), 16);
      return Math.round(a + (b - a) * (place - from));
    });
  }

  var draw = {
    Line: function (layer, scale, group, state) {
      var x = at(layer.x, state), y = at(layer.y, state), path = "", pen = "M";
      var stop = layer.until === null ? x.length : state[layer.until] + 1;
      for (var i = 0; i < stop; i++) {
        if (x[i] === null || y[i] === null) { pen = "M"; continue; }
        path += pen + scale.x(x[i]).toFixed(1) + " " + scale.y(y[i]).toFixed(1);
        pen = "L";
      }
      svg("path", { d: path, fill: "none", stroke: layer.color, "stroke-width": layer.width,
        "stroke-opacity": layer.opacity, "stroke-dasharray": layer.dashed ? "5 4" : "none",
        "stroke-linejoin": "round" }, group);
    },
    Points: function (layer, scale, group, state) {
      var x = [].concat(at(layer.x, state)), y = [].concat(at(layer.y, state));
      x.forEach(function (v, i) {
        if (v === null || y[i] === null) return;
        svg("circle", { cx: scale.x(v).toFixed(1), cy: scale.y(y[i]).toFixed(1), r: layer.size,
          fill: layer.color, "fill-opacity": layer.opacity }, group);
      });
    },
    Arrow: function (layer, scale, group, state) {
      var start = at(layer.start, state), tip = at(layer.tip, state);
      var x0 = scale.x(start[0]), y0 = scale.y(start[1]), x = scale.x(tip[0]), y = scale.y(tip[1]);
      var length = Math.hypot(x - x0, y - y0);
      if (!length) return;
      var dx = (x - x0) / length, dy = (y - y0) / length, head = Math.min(11, length);
      var bx = x - dx * head, by = y - dy * head, half = head * 0.42;
      svg("line", { x1: x0, y1: y0, x2: bx, y2: by, stroke: layer.color,
        "stroke-width": layer.width }, group);
      svg("path", { fill: layer.color, d: "M" + x + " " + y + "L" + (bx - dy * half) + " " +
        (by + dx * half) + "L" + (bx + dy * half) + " " + (by - dx * half) + "Z" }, group);
      write(group, x + dx * 13, y + dy * 13, layer.label,
        { fill: layer.color, "dominant-baseline": "central", "font-weight": 700 });
    },
    Cells: function (layer, scale, group, state, ink) {
      var rows = at(layer.values, state);
      var width = scale.x(1) - scale.x(0), height = scale.y(0) - scale.y(1);
      rows.forEach(function (row, r) {
        row.forEach(function (value, c) {
          if (value === null) return;
          var rgb = mix(layer, value), x = scale.x(c), y = scale.y(r);
          var dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 127.5;
          svg("rect", { x: x - width / 2, y: y - height / 2, width: width + 0.3,
            height: height + 0.3, fill: "rgb(" + rgb + ")" }, group);
          if (layer.digits !== null) {
            write(group, x, y, value.toFixed(layer.digits),
              { fill: dark ? "#fff" : ink, "dominant-baseline": "central", "font-size": 9.5 });
          }
        });
      });
    }
  };

  function key(panel, figure) {
    var list = html("div", { "class": "explorer-key" }, figure);
    panel.layers.forEach(function (layer) {
      if (!layer.label || layer.kind === "Arrow") return;
      var item = html("span", {}, list), kind = layer.kind === "Points" ? "explorer-dot" :
        layer.dashed ? "explorer-dashed" : "";
      var look = kind === "explorer-dot" ? "background:" : "border-color:";
      html("i", { "class": kind, style: look + layer.color, "aria-hidden": "true" }, item);
      item.appendChild(document.createTextNode(layer.label));
    });
  }

  function addPanel(panel, parent, ink, set, controls) {
    var figure = html("figure", {}, parent);
    html("figcaption", {}, figure, panel.title);
    var root = svg("svg", { viewBox: "0 0 " + W + " " + H, role: "img", "aria-label": panel.alt },
      figure);
    var scale = scales(panel), id = "explorer-clip-" + Math.random().toString(36).slice(2);
    var left = scale.x(panel.x_lim[0]), right = scale.x(panel.x_lim[1]);
    var top = scale.y(panel.y_lim[1]), bottom = scale.y(panel.y_lim[0]);
    var clip = svg("clipPath", { id: id }, root);
    svg("rect", { x: left - 4, y: top - 4, width: right - left + 8, height: bottom - top + 8 }, clip);
    svg("path", { d: "M" + left + " " + top + "V" + bottom + "H" + right, fill: "none",
      stroke: "#555" }, root);
    panel.x_ticks.forEach(function (tick) {
      write(root, scale.x(tick[0]), bottom + 14, tick[1], { fill: ink });
    });
    panel.y_ticks.forEach(function (tick) {
      write(root, left - 5, scale.y(tick[0]), tick[1],
        { fill: ink, "text-anchor": "end", "dominant-baseline": "central" });
    });
    write(root, (left + right) / 2, bottom + 30, panel.x_label, { fill: ink });
    write(root, 0, 0, panel.y_label, { fill: ink, "dominant-baseline": "hanging",
      transform: "translate(" + scale.labelX + " " + (top + bottom) / 2 + ") rotate(-90)" });
    var group = svg("g", { "clip-path": "url(#" + id + ")" }, root);
    key(panel, figure);
    if (panel.pick_x) listen(root, panel, scale, set, controls);
    return function (state) {
      group.textContent = "";
      panel.layers.forEach(function (layer) {
        draw[layer.kind](layer, scale, group, state, ink);
      });
    };
  }

  function listen(root, panel, scale, set, controls) {
    function nearest(name, value) {
      var places = controls[name].at, best = 0;
      places.forEach(function (place, i) {
        if (Math.abs(place - value) < Math.abs(places[best] - value)) best = i;
      });
      set(name, best);
    }
    function pick(event) {
      var box = root.getBoundingClientRect(), zoom = W / box.width;
      nearest(panel.pick_x, scale.toX((event.clientX - box.left) * zoom));
    }
    root.classList.add("explorer-pick");
    root.addEventListener("pointerdown", function (event) {
      root.setPointerCapture(event.pointerId);
      pick(event);
    });
    root.addEventListener("pointermove", function (event) { if (event.buttons) pick(event); });
  }

  function addControl(control, bar, set) {
    var label = html("label", {}, bar), input, shown;
    html("span", {}, label, control.label);
    if (control.kind === "choice") {
      input = html("select", {}, label);
      control.texts.forEach(function (text, i) { html("option", { value: i }, input, text); });
    } else {
      input = html("input", { type: "range", min: 0, max: control.texts.length - 1, step: 1 }, label);
      shown = html("output", {}, label);
    }
    input.setAttribute("aria-label", control.label); // without the text of the output
    input.addEventListener("input", function () { set(control.name, Number(input.value)); });
    return function (place) {
      input.value = place;
      if (!shown) return;
      shown.textContent = control.texts[place];
      input.setAttribute("aria-valuetext", control.texts[place]);
    };
  }

  function addSteps(control, bar, state, set, status) {
    var last = control.texts.length - 1, timer = null, play;
    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
      status.setAttribute("aria-live", "polite");
    }
    function button(text, act) {
      html("button", { type: "button" }, bar, text).addEventListener("click", act);
      return bar.lastChild;
    }
    function move(by) {
      set(control.name, Math.min(last, Math.max(0, state[control.name] + by)));
    }
    button("Back", function () { stop(); move(-1); });
    button("Step", function () { stop(); move(1); });
    play = button("Play", function () {
      if (timer) return stop();
      if (state[control.name] === last) set(control.name, 0);
      play.textContent = "Pause";
      status.setAttribute("aria-live", "off"); // a screen reader would never finish
      timer = setInterval(function () {
        move(1);
        if (state[control.name] === last) stop();
      }, 200);
    });
  }

  function start(root) {
    var scene = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    var state = {}, controls = {}, show = {}, bar = html("div", { "class": "explorer-bar" }, root);
    var status = html("p", { "class": "explorer-said", role: "status", "aria-live": "polite" }, root);
    var grid = html("div", { "class": "explorer-panels" }, root);
    function update() {
      panels.forEach(function (panel) { panel(state); });
      status.textContent = scene.readouts.map(function (readout) {
        var value = at(readout.value, state);
        return readout.label + ": " + (value === null ? "–" : value.toFixed(readout.digits) + readout.unit);
      }).join(" · ");
    }
    function set(name, place) {
      if (state[name] === place) return;
      state[name] = place;
      show[name](place);
      update();
    }
    scene.controls.forEach(function (control) {
      controls[control.name] = control;
      state[control.name] = control.first;
      show[control.name] = addControl(control, bar, set);
      show[control.name](control.first);
      if (control.play) addSteps(control, bar, state, set, status);
    });
    var panels = scene.panels.map(function (panel) {
      return addPanel(panel, grid, scene.ink, set, controls);
    });
    update();
    root.classList.add("explorer-live");
  }

  document.querySelectorAll(".explorer:not(.explorer-live)").forEach(start);
})();
