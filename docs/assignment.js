// The reference in JavaScript: from a customer id to an arm, as docs/assignment.md describes it.
// `node assignment.js assignment-vectors.json` checks every published vector and prints how many it checked.
"use strict";
const { createHash } = require("node:crypto");

// The unit is the id as sent, NFC-normalised; an integer is its decimal string.
const unitOf = (sent) => String(sent).normalize("NFC");

// First 8 bytes of SHA-256("salt:unit"), scaled onto the slots by multiply-shift.
function bucket(salt, unit, slots = 1000000) {
  const head = createHash("sha256").update(`${salt}:${unit}`, "utf8").digest().readBigUInt64BE(0);
  return Number((head * BigInt(slots)) >> 64n);
}

// Layers, then the traffic gate, then the arm; `segment` is the customer's first segment, or null.
function decide(experiment, sent, segment) {
  const unit = unitOf(sent);
  for (const layer of experiment.layers) {
    const slot = bucket(layer.salt, unit);
    if (!layer.slots.some(([start, end]) => start <= slot && slot < end)) return { reason: "EXCLUDED_BY_LAYER" };
  }
  const { salt, slots } = experiment.traffic;
  if (bucket(salt, unit) >= slots) return { reason: "NOT_IN_TRAFFIC" };
  const slot = bucket(experiment.arms.salt, unit);
  const ranges = experiment.arms.ranges[segment] ?? experiment.arms.ranges[""];
  return { reason: "SPLIT", bucket: slot, variant: ranges.find(([start, end]) => start <= slot && slot < end)[2] };
}

if (require.main === module) {
  const vectors = JSON.parse(require("node:fs").readFileSync(process.argv[2], "utf8"));
  const wrong = vectors.buckets.filter((v) => unitOf(v.sent) !== v.unit || bucket(v.salt, v.unit) !== v.bucket);
  const differs = (v) => {
    const found = decide(vectors.experiments[v.experiment], v.sent, v.segment);
    return found.reason !== v.reason || (found.bucket ?? null) !== v.bucket || (found.variant ?? null) !== v.variant;
  };
  wrong.push(...vectors.decisions.filter(differs));
  console.log(JSON.stringify({ checked: vectors.buckets.length + vectors.decisions.length, wrong }));
}
module.exports = { unitOf, bucket, decide };
