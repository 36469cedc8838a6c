package dev.kedge.cli;

/** The name the program was called by, which decides where its files are. */
enum ProgramName {
  KEDGE("/etc/kedge", "kedge.yaml", "/var/lib/kedge"),
  /** K3s's own places, so that what is written for K3s finds its files. */
  K3S("/etc/rancher/k3s", "k3s.yaml", "/var/lib/rancher/k3s");

  private final String configDir;
  private final String kubeconfigName;
  private final String dataDir;

  ProgramName(String configDir, String kubeconfigName, String dataDir) {
    this.configDir = configDir;
    this.kubeconfigName = kubeconfigName;
    this.dataDir = dataDir;
  }

  /** The name in effect: {@code k3s} when called so, else kedge. */
  static ProgramName of(String calledAs) {
    return calledAs.equals("k3s") ? K3S : KEDGE;
  }

  String configDir() {
    return configDir;
  }

  String configFile() {
    return configDir + "/config.yaml";
  }

  String registries() {
    return configDir + "/registries.yaml";
  }

  String kubeconfig() {
    return configDir + "/" + kubeconfigName;
  }

  String dataDir() {
    return dataDir;
  }
}
