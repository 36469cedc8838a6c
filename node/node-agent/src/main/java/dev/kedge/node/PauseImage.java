package dev.kedge.node;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/**
 * The image that holds a pod's namespaces: one static program of some 200 bytes, written here, so
 * that no pull is needed before the first pod. The program blocks all signals, takes them one by
 * one, reaps the children it inherits as the first process of a shared process namespace, and ends
 * at SIGTERM or SIGINT.
 */
final class PauseImage {
  private static final int BASE = 0x400000;

  private PauseImage() {}

  /** The architecture's name in images: amd64 or arm64. */
  static String architecture() {
    return switch (System.getProperty("os.arch")) {
      case "amd64", "x86_64" -> "amd64";
      case "aarch64" -> "arm64";
      case String other ->
          throw new IllegalStateException(
              "kedge makes its pause image for amd64 and arm64, not for " + other);
    };
  }

  /** The program as an ELF file. */
  static byte[] program(String architecture) {
    byte[] code = architecture.equals("amd64") ? amd64() : arm64();
    int head = 64 + 56;
    ByteBuffer out = ByteBuffer.allocate(head + code.length).order(ByteOrder.LITTLE_ENDIAN);
    out.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1, 0}).putLong(0);
    out.putShort((short) 2); // executable
    out.putShort((short) (architecture.equals("amd64") ? 62 : 183));
    out.putInt(1).putLong(BASE + head).putLong(64).putLong(0).putInt(0);
    out.putShort((short) 64).putShort((short) 56).putShort((short) 1);
    out.putShort((short) 0).putShort((short) 0).putShort((short) 0);
    // One segment, readable and executable: the whole file.
    out.putInt(1).putInt(5).putLong(0).putLong(BASE).putLong(BASE);
    out.putLong(head + code.length).putLong(head + code.length).putLong(0x10000);
    return out.put(code).array();
  }

  private static byte[] amd64() {
    String code =
        "6aff" // push -1: a signal set with every bit, at the top of the stack
            + "6a0e58 31ff 4889e6 31d2 6a08415a 0f05" // rt_sigprocmask(BLOCK, sp, 0, 8)
            // wait: at 18
            + "b880000000 4889e7 31f6 31d2 6a08415a 0f05" // rt_sigtimedwait(sp, 0, 0, 8)
            + "83f811 7411" // SIGCHLD: to reap
            + "83f80f 7405" // SIGTERM: to exit
            + "83f802 75df" // neither SIGINT: to wait
            + "31ff 6a3c58 0f05" // exit: exit(0)
            // reap:
            + "6a3d58 6aff5f 31f6 6a015a 4531d2 0f05" // wait4(-1, 0, WNOHANG, 0)
            + "85c0 7fec" // another child: to reap
            + "ebc2"; // to wait
    return HexFormat.of().parseHex(code.replace(" ", ""));
  }

  private static byte[] arm64() {
    int[] code = {
      0x92800009, // mov x9, #-1
      0xf81f0fe9, // str x9, [sp, #-16]!
      0xd2800000, // mov x0, #0 (SIG_BLOCK)
      0x910003e1, // mov x1, sp
      0xd2800002, // mov x2, #0
      0xd2800103, // mov x3, #8
      0xd28010e8, // mov x8, #135 (rt_sigprocmask)
      0xd4000001, // svc #0
      // wait: 8
      0x910003e0, // mov x0, sp
      0xd2800001, // mov x1, #0
      0xd2800002, // mov x2, #0
      0xd2800103, // mov x3, #8
      0xd2801128, // mov x8, #137 (rt_sigtimedwait)
      0xd4000001, // svc #0
      0x7100441f, // cmp w0, #17 (SIGCHLD)
      branch(0x54000000, 15, 23),
      0x71003c1f, // cmp w0, #15 (SIGTERM)
      branch(0x54000000, 17, 20),
      0x7100081f, // cmp w0, #2 (SIGINT)
      branch(0x54000001, 19, 8),
      // exit: 20
      0xd2800000, // mov x0, #0
      0xd2800ba8, // mov x8, #93 (exit)
      0xd4000001, // svc #0
      // reap: 23
      0x92800000, // mov x0, #-1
      0xd2800001, // mov x1, #0
      0xd2800022, // mov x2, #1 (WNOHANG)
      0xd2800003, // mov x3, #0
      0xd2802088, // mov x8, #260 (wait4)
      0xd4000001, // svc #0
      0x7100001f, // cmp w0, #0
      branch(0x5400000c, 30, 23),
      0x14000000 | (8 - 31) & 0x3ffffff, // b wait
    };
    ByteBuffer out = ByteBuffer.allocate(code.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int word : code) {
      out.putInt(word);
    }
    return out.array();
  }

  private static int branch(int condition, int from, int to) {
    return condition | ((to - from) & 0x7ffff) << 5;
  }

  /** The image as a docker-archive tar, named {@link NodeSettings#PAUSE_IMAGE}. */
  static byte[] archive() throws IOException {
    ByteArrayOutputStream layer = new ByteArrayOutputStream();
    try (TarArchiveOutputStream tar = new TarArchiveOutputStream(layer)) {
      entry(tar, "pause", program(architecture()), 0755);
    }
    return dockerArchive(
        NodeSettings.PAUSE_IMAGE, List.of("/pause"), List.of(), Map.of(), layer.toByteArray());
  }

  /** A docker-archive of one uncompressed layer. */
  static byte[] dockerArchive(
      String name,
      List<String> entrypoint,
      List<String> command,
      Map<String, String> labels,
      byte[] layer)
      throws IOException {
    String diffId = ImageArchive.digest(layer);
    dev.kedge.model.JsonObject config =
        dev.kedge.model.JsonObject.of(
            "architecture",
            architecture(),
            "os",
            "linux",
            "created",
            "2026-01-01T00:00:00Z",
            "config",
            dev.kedge.model.JsonObject.builder()
                .put(
                    "Env",
                    List.of("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
                .put("Entrypoint", entrypoint)
                .putNonEmpty("Cmd", command)
                .putNonEmpty("Labels", labels)
                .put("WorkingDir", "/")
                .build(),
            "rootfs",
            Map.of("type", "layers", "diff_ids", List.of(diffId)));
    byte[] configBytes = dev.kedge.model.Json.bytes(config);
    String configName = ImageArchive.digest(configBytes).substring(7) + ".json";
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (TarArchiveOutputStream tar = new TarArchiveOutputStream(out)) {
      entry(tar, configName, configBytes, 0644);
      entry(tar, "layer.tar", layer, 0644);
      entry(
          tar,
          "manifest.json",
          dev.kedge.model.Json.bytes(
              dev.kedge.model.JsonArray.of(
                  Map.of(
                      "Config",
                      configName,
                      "RepoTags",
                      List.of(name),
                      "Layers",
                      List.of("layer.tar")))),
          0644);
    }
    return out.toByteArray();
  }

  static void entry(TarArchiveOutputStream tar, String name, byte[] content, int mode)
      throws IOException {
    TarArchiveEntry entry = new TarArchiveEntry(name);
    entry.setSize(content.length);
    entry.setMode(mode);
    entry.setModTime(0);
    tar.putArchiveEntry(entry);
    tar.write(content);
    tar.closeArchiveEntry();
  }
}
