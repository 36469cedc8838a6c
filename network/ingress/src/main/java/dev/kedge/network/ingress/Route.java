package dev.kedge.network.ingress;

/**
 * Where a request goes: a port of a Service.
 *
 * @param portName empty where the port is named by number
 * @param portNumber 0 where the port is named by name
 */
record Route(String namespace, String service, String portName, int portNumber) {}
