package dev.kedge.node;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.cri.ContainerdClient.TaskEvent;
import dev.kedge.cri.Cri;
import dev.kedge.cri.CriClient;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.Test;

/** The real containerd: started, adopted, killed, and made to forget everything. */
class ContainerdTest {
  private static final Cri.NamespaceOption HOST =
      new Cri.NamespaceOption(
          Cri.NamespaceMode.NODE, Cri.NamespaceMode.CONTAINER, Cri.NamespaceMode.POD, "");

  private static Cri.SandboxConfig sandbox(TestNode node, String name) {
    return new Cri.SandboxConfig(
        new Cri.SandboxMetadata(name, "uid-" + name, "default", 0),
        "",
        node.settings.podLogs().resolve(name).toString(),
        null,
        List.of(),
        Map.of(),
        Map.of(),
        new Cri.LinuxSandbox(
            "/" + node.root.getFileName() + "/kubepods/pod" + name,
            new Cri.SandboxSecurityContext(
                HOST, null, null, null, false, List.of(), false, false, null, null),
            Map.of(),
            Cri.LinuxResources.NONE,
            Cri.LinuxResources.NONE));
  }

  private static Cri.ContainerConfig container(String... command) {
    return new Cri.ContainerConfig(
        new Cri.ContainerMetadata("main", 0),
        new Cri.ImageSpec(TestNode.BUSYBOX),
        List.of(command),
        List.of(),
        "",
        List.of(new Cri.KeyValue("GREETING", "hi")),
        List.of(),
        List.of(),
        Map.of(),
        Map.of(),
        "main.log",
        false,
        false,
        false,
        Cri.LinuxResources.NONE,
        new Cri.ContainerSecurityContext(
            List.of(), List.of(), false, HOST, null, null, null, "", false, List.of(), false, false,
            List.of(), List.of(), null, null));
  }

  @Test
  void importsRunsSurvivesAndLeavesNothing() throws Exception {
    try (TestNode node = TestNode.create()) {
      Files.createDirectories(node.settings.imagesDirectory());
      Files.write(node.settings.imagesDirectory().resolve("busybox.tar"), TestNode.busybox());
      Files.write(node.settings.imagesDirectory().resolve("broken.tar"), new byte[2000]);
      String id;
      try (Containerd containerd = Containerd.start(node.settings);
          ImageImporter importer = new ImageImporter(node.settings, containerd)) {
        importer.start();
        importer.awaitFirstPass();
        CriClient cri = containerd.cri();
        assertThat(cri.version().runtimeName()).isEqualTo("containerd");
        assertThat(cri.imageStatus(NodeSettings.PAUSE_IMAGE)).isPresent();
        assertThat(cri.imageStatus(TestNode.BUSYBOX)).isPresent();
        assertThat(importer.importedNames()).containsExactly(TestNode.BUSYBOX);

        BlockingQueue<TaskEvent> events = new LinkedBlockingQueue<>();
        CountDownLatch subscribed = new CountDownLatch(1);
        Thread.ofVirtual()
            .start(
                () ->
                    assertThatThrownBy(
                            () ->
                                containerd
                                    .client()
                                    .followTaskEvents(
                                        List.of("/tasks/exit"), subscribed::countDown, events::add))
                        .isInstanceOf(GrpcException.class));
        subscribed.await();

        String sandbox = cri.runPodSandbox(sandbox(node, "a"), "");
        id =
            cri.createContainer(
                sandbox, container("/bin/sh", "-c", "sleep 1000"), sandbox(node, "a"));
        cri.startContainer(id);
        Cri.ExecResult result =
            cri.execSync(id, List.of("sh", "-c", "echo $GREETING; exit 3"), Duration.ofSeconds(60));
        assertThat(new String(result.stdout(), java.nio.charset.StandardCharsets.UTF_8))
            .isEqualTo("hi\n");
        assertThat(result.exitCode()).isEqualTo(3);
        String short1 =
            cri.createContainer(
                sandbox,
                new Cri.ContainerConfig(
                    new Cri.ContainerMetadata("short", 0),
                    new Cri.ImageSpec(TestNode.BUSYBOX),
                    List.of("sh", "-c", "exit 7"),
                    List.of(),
                    "",
                    List.of(),
                    List.of(),
                    List.of(),
                    Map.of(),
                    Map.of(),
                    "short.log",
                    false,
                    false,
                    false,
                    Cri.LinuxResources.NONE,
                    container().securityContext()),
                sandbox(node, "a"));
        cri.startContainer(short1);
        TaskEvent exit;
        do {
          exit = events.poll(60, TimeUnit.SECONDS);
          assertThat(exit).isNotNull();
        } while (!exit.containerId().equals(short1));
        assertThat(exit.exitStatus()).isEqualTo(7);
        await()
            .atMost(ofMinutes(1))
            .until(
                () ->
                    cri.containerStatus(short1, false).state() == Cri.ContainerState.EXITED
                        && cri.containerStatus(short1, false).exitCode() == 7);

        // Killed while running: it comes back by itself and the container has not noticed.
        CountDownLatch back = new CountDownLatch(1);
        containerd.onRestart(back::countDown);
        long pid =
            Long.parseLong(
                Files.readString(node.settings.containerdState().resolve("containerd.pid"))
                    .strip());
        ProcessHandle.of(pid).orElseThrow().destroyForcibly();
        assertThat(back.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(cri.containerStatus(id, false).state()).isEqualTo(Cri.ContainerState.RUNNING);
        assertThat(cri.execSync(id, List.of("true"), Duration.ofSeconds(60)).exitCode()).isZero();

        // An image that arrives later is seen.
        CountDownLatch arrived = new CountDownLatch(1);
        importer.onImport(arrived::countDown);
        Path late = node.root.resolve("late.tar");
        Files.write(late, TestNode.busybox());
        Processes.run("gzip", late.toString());
        Files.move(
            node.root.resolve("late.tar.gz"),
            node.settings.imagesDirectory().resolve("late.tar.gz"));
        assertThat(arrived.await(20, TimeUnit.SECONDS)).isTrue();
      }
      // Closed, but alive: adopted by the next start.
      try (Containerd containerd = Containerd.start(node.settings)) {
        assertThat(containerd.cri().containerStatus(id, false).state())
            .isEqualTo(Cri.ContainerState.RUNNING);
      }
      assertThat(node.leftovers()).isNotEmpty();
      Containerd.stopAll(node.settings);
      assertThat(node.leftovers()).isEmpty();
    }
  }

  /** An OCI layout with an index over two platforms, its layer compressed. */
  private static byte[] ociLayout(String name) throws Exception {
    java.io.ByteArrayOutputStream layerTar = new java.io.ByteArrayOutputStream();
    try (TarArchiveOutputStream tar = new TarArchiveOutputStream(layerTar)) {
      PauseImage.entry(tar, "hello", PauseImage.program(PauseImage.architecture()), 0755);
    }
    java.io.ByteArrayOutputStream layer = new java.io.ByteArrayOutputStream();
    try (var gzip = new java.util.zip.GZIPOutputStream(layer)) {
      gzip.write(layerTar.toByteArray());
    }
    byte[] config =
        Json.bytes(
            JsonObject.of(
                "architecture",
                PauseImage.architecture(),
                "os",
                "linux",
                "config",
                Map.of("Entrypoint", List.of("/hello")),
                "rootfs",
                Map.of(
                    "type",
                    "layers",
                    "diff_ids",
                    List.of(ImageArchive.digest(layerTar.toByteArray())))));
    byte[] manifest =
        Json.bytes(
            JsonObject.of(
                "schemaVersion",
                2,
                "mediaType",
                "application/vnd.oci.image.manifest.v1+json",
                "config",
                descriptor("application/vnd.oci.image.config.v1+json", config),
                "layers",
                List.of(
                    descriptor(
                        "application/vnd.oci.image.layer.v1.tar+gzip", layer.toByteArray()))));
    byte[] index =
        Json.bytes(
            JsonObject.of(
                "schemaVersion",
                2,
                "manifests",
                List.of(
                    descriptor("application/vnd.oci.image.manifest.v1+json", new byte[] {1})
                        .with("platform", Map.of("os", "linux", "architecture", "s390x")),
                    descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
                        .with(
                            "platform",
                            Map.of("os", "linux", "architecture", PauseImage.architecture())))));
    java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
    try (TarArchiveOutputStream tar = new TarArchiveOutputStream(out)) {
      for (byte[] blob : List.of(layer.toByteArray(), config, manifest, index)) {
        PauseImage.entry(tar, "blobs/" + ImageArchive.digest(blob).replace(':', '/'), blob, 0644);
      }
      PauseImage.entry(
          tar,
          "index.json",
          Json.bytes(
              JsonObject.of(
                  "schemaVersion",
                  2,
                  "manifests",
                  List.of(
                      descriptor("application/vnd.oci.image.index.v1+json", index)
                          .with(
                              "annotations", Map.of("org.opencontainers.image.ref.name", name))))),
          0644);
    }
    return out.toByteArray();
  }

  private static JsonObject descriptor(String mediaType, byte[] blob) {
    return JsonObject.of(
        "mediaType", mediaType, "digest", ImageArchive.digest(blob), "size", blob.length);
  }

  @Test
  void ociLayoutsAreImportedAndRun() throws Exception {
    try (TestNode node = TestNode.create()) {
      Files.createDirectories(node.settings.imagesDirectory());
      Path plain = node.root.resolve("layout.tar");
      Files.write(plain, ociLayout("kedge.local/layout:1"));
      if (Processes.find("zstd").isPresent()) {
        Processes.run("zstd", "-q", "--rm", plain.toString());
        Files.move(
            node.root.resolve("layout.tar.zst"),
            node.settings.imagesDirectory().resolve("layout.tar.zst"));
      } else {
        Files.move(plain, node.settings.imagesDirectory().resolve("layout.tar"));
      }
      try (Containerd containerd = Containerd.start(node.settings);
          ImageImporter importer = new ImageImporter(node.settings, containerd)) {
        importer.start();
        importer.awaitFirstPass();
        Cri.Image image = containerd.cri().imageStatus("kedge.local/layout:1").orElseThrow();
        String sandbox = containerd.cri().runPodSandbox(sandbox(node, "o"), "");
        Cri.ContainerConfig base = container();
        String id =
            containerd
                .cri()
                .createContainer(
                    sandbox,
                    new Cri.ContainerConfig(
                        base.metadata(),
                        new Cri.ImageSpec(image.id()),
                        List.of(),
                        List.of(),
                        "",
                        List.of(),
                        List.of(),
                        List.of(),
                        Map.of(),
                        Map.of(),
                        "o.log",
                        false,
                        false,
                        false,
                        Cri.LinuxResources.NONE,
                        base.securityContext()),
                    sandbox(node, "o"));
        containerd.cri().startContainer(id);
        assertThat(containerd.cri().containerStatus(id, false).state())
            .isEqualTo(Cri.ContainerState.RUNNING);
        // The pause program ends at SIGTERM by itself, not by the kill after the grace period; the
        // first process of a container does not hear signals before it asks for them.
        await()
            .atMost(ofMinutes(1))
            .until(() -> awaitsSignals(containerd.cri().containerStatus(id, true)));
        containerd.cri().stopContainer(id, 20);
        assertThat(containerd.cri().containerStatus(id, false).exitCode()).isZero();
      }
    }
  }

  /** Whether the container's first process is the program, asleep until a signal comes. */
  private static boolean awaitsSignals(Cri.ContainerStatus container) throws IOException {
    Path process =
        Path.of("/proc/" + Json.parseObject(container.info().get("info")).integer("pid"));
    return Files.readSymbolicLink(process.resolve("exe")).endsWith("hello")
        && Files.readAllLines(process.resolve("status")).contains("State:\tS (sleeping)");
  }

  @Test
  void registriesBecomeHostFiles() throws Exception {
    try (TestNode node = TestNode.create()) {
      Files.writeString(node.settings.registries(), "mirrors: [not, a, mapping]\n");
      assertThatThrownBy(() -> Containerd.start(node.settings))
          .hasMessageContaining("registries.yaml: mirrors must be a mapping");
      Files.writeString(
          node.settings.registries(),
          """
          mirrors:
            docker.io:
              endpoint: ["https://mirror.example:5000/v2/proxy"]
          configs:
            "mirror.example:5000":
              auth: {username: me, password: secret}
              tls: {insecure_skip_verify: true}
          """);
      new RegistryConfiguration(node.settings).write();
      assertThat(RegistryConfiguration.directory(node.settings).resolve("docker.io/hosts.toml"))
          .content()
          .contains("server = \"https://registry-1.docker.io\"")
          .contains("[host.\"https://mirror.example:5000/v2/proxy\"]")
          .contains("override_path = true")
          .contains("skip_verify = true")
          .contains("Authorization = \"Basic bWU6c2VjcmV0\"");
    }
  }
}
