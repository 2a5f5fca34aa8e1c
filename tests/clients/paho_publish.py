"""Publishes with QoS 1 through paho-mqtt and waits for every acknowledgement.

paho_publish.py HOST PORT VERSION TOPIC, one payload a line on the standard input.
Prints how many were acknowledged; for version 5 with the reason code of each.
"""

import sys

import paho.mqtt.client as mqtt

host, port, version, topic = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho-" + version, protocol=protocol)
codes = {}
client.on_publish = lambda client, user, mid, code, properties: codes.update({mid: code.value})
client.connect(host, port, keepalive=30)
client.loop_start()
sent = [client.publish(topic, line.rstrip("\n"), qos=1) for line in sys.stdin]
for message in sent:
    message.wait_for_publish(60)
client.disconnect()
client.loop_stop()
print(len(codes), *[codes[message.mid] for message in sent])
