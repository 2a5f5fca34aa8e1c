// An edge node of Sparkplug B with one device, by Eclipse Tahu's client: node and device are born with aliases, and each line
// "ALIAS VALUE MILLIS" of the input is a message of the device. An empty line leaves out a number, as a lost message does.
//
// sparkplug_node.js HOST PORT GROUP NODE DEVICE BDSEQ BIRTHMILLIS
"use strict";

const readline = require("readline");
const mqtt = require("mqtt");
const codec = require("sparkplug-payload").get("spBv1.0");
const sparkplug = require("sparkplug-client");

const [host, port, group, node, device, bdSeq, birth] = process.argv.slice(2);
// This client's will is always of birth 0; ours counts its lives.
const connect = mqtt.connect;
mqtt.connect = (url, options) => {
  const metrics = [{ name: "bdSeq", type: "UInt64", value: Number(bdSeq) }];
  options.will.payload = Buffer.from(codec.encodePayload({ timestamp: Date.now(), metrics }));
  return connect(url, options);
};
const client = sparkplug.newClient({
  serverUrl: `mqtt://${host}:${port}`,
  username: "",
  password: "",
  groupId: group,
  edgeNode: node,
  clientId: `${group}-${node}`,
  keepalive: 600,
});
client.bdSeq = Number(bdSeq);

function bear() {
  const timestamp = Number(birth);
  client.publishNodeBirth({
    timestamp,
    metrics: [
      { name: "Node Control/Rebirth", type: "Boolean", value: false },
      { name: "uptime", alias: 7, timestamp, type: "Int64", value: 12 },
    ],
  });
  client.publishDeviceBirth(device, {
    timestamp,
    metrics: [
      { name: "Air/Fine particles", alias: 1, timestamp, type: "Double", value: 10.5 },
      { name: "Air/Offset", alias: 2, timestamp, type: "Int32", value: -3 },
      { name: "Properties/Maker", alias: 3, timestamp, type: "String", value: "nobody" },
    ],
  });
}

client.on("birth", () => {
  bear();
  console.log("born");
});
client.on("ncmd", (payload) => {
  for (const metric of payload.metrics || []) {
    if (metric.name === "Node Control/Rebirth" && metric.value === true) {
      bear();
      console.log("reborn");
    }
  }
});
client.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

const lines = readline.createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", (line) => {
  if (line === "") {
    client.incrementSeqNum();
    console.log("skipped");
    return;
  }
  const [alias, value, millis] = line.split(" ").map(Number);
  const type = alias === 2 ? "Int32" : "Double";
  client.publishDeviceData(device, {
    timestamp: millis,
    metrics: [{ alias, timestamp: millis, type, value }],
  });
  console.log("said");
});
