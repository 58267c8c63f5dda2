"use strict";
// Colours of values: of names, of numbers from low to high, and of hues, which are shown as themselves.

const NAMED = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e0a800", "#56b4e9", "#8a5a2b", "#8a8f98"];
// From low to high, as light falls: equal steps look equal, to the colour-blind too.
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function nameColour(index, count) {
  return count <= NAMED.length ? NAMED[index] : `hsl(${Math.round((360 * index) / count)} 62% ${index % 2 ? 42 : 58}%)`;
}

function rampColour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  const mixed = RAMP[low].map((from, channel) => Math.round(from + (RAMP[low + 1][channel] - from) * (place - low)));
  return `rgb(${mixed.join(" ")})`;
}

function hueColour(turns) {
  return `hsl(${Math.round(360 * turns)} 75% 50%)`;
}

function colourOf(colouring, row) {
  const value = colouring.values[row];
  if (colouring.kind === "names") return nameColour(value, colouring.names.length);
  if (colouring.kind === "hue") return hueColour(value);
  return rampColour((value - colouring.low) / (colouring.high - colouring.low || 1));
}

// The entries of a legend: each a colour and its words.
function legendOf(colouring) {
  if (colouring.kind === "names") {
    if (colouring.names.length > 12) return [];
    return colouring.names.map((name, index) => [nameColour(index, colouring.names.length), name]);
  }
  const shares = [0, 0.25, 0.5, 0.75, 1];
  return shares.map((share) => {
    const value = colouring.low + share * (colouring.high - colouring.low);
    const colour = colouring.kind === "hue" ? hueColour(value) : rampColour(share);
    return [colour, Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(2)];
  });
}
