package dev.kedge.identity;

import dev.kedge.http.Pem;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Instant;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A server's certificates and keys in one directory, laid out and named as K3s has them ({@code
 * server/tls}): {@code server-ca}, {@code client-ca}, {@code request-header-ca} and {@code
 * service.key}, and a {@code .crt} and {@code .key} file per leaf. Makes what is missing, keeps
 * what is there, renews leaves of which less than a third of life remains. Files are readable by
 * their owner only. Any thread.
 */
public final class ClusterCertificates {
  private final Path directory;
  private final Clock clock;
  private final CertificateAuthority server;
  private final CertificateAuthority client;
  private final CertificateAuthority requestHeader;
  private final KeyPair serviceAccounts;
  private @Nullable CertificateAuthority etcd;
  private final Map<String, Leaf> leaves = new ConcurrentHashMap<>();
  private final List<RenewalListener> listeners = new CopyOnWriteArrayList<>();

  private record Leaf(Credential credential, Supplier<Credential> issue) {}

  /** Hears of leaves that were issued anew while the process runs. */
  @FunctionalInterface
  public interface RenewalListener {
    /**
     * A leaf was renewed and is on disk.
     *
     * @param name the file's name without ending, such as {@code serving-kube-apiserver}
     */
    void renewed(String name, Credential credential);
  }

  private ClusterCertificates(
      Path directory,
      Clock clock,
      CertificateAuthority server,
      CertificateAuthority client,
      CertificateAuthority requestHeader,
      KeyPair serviceAccounts) {
    this.directory = directory;
    this.clock = clock;
    this.server = server;
    this.client = client;
    this.requestHeader = requestHeader;
    this.serviceAccounts = serviceAccounts;
  }

  /**
   * Opens a directory, making it and whatever authority is missing in it.
   *
   * @throws UncheckedIOException if a file cannot be read or written, or is damaged; the message
   *     names it
   */
  public static ClusterCertificates open(Path directory, Clock clock) {
    try {
      Files.createDirectories(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make the directory " + directory, e);
    }
    // The four are independent; a second core takes half of the first start's work.
    Future<CertificateAuthority> server = start(() -> authority(directory, "server", clock));
    Future<CertificateAuthority> client = start(() -> authority(directory, "client", clock));
    Future<CertificateAuthority> header =
        start(() -> authority(directory, "request-header", clock));
    KeyPair service = serviceKey(directory);
    return new ClusterCertificates(
        directory, clock, result(server), result(client), result(header), service);
  }

  /** Signs what servers of the cluster show. */
  public CertificateAuthority serverAuthority() {
    return server;
  }

  /** Signs users and nodes. */
  public CertificateAuthority clientAuthority() {
    return client;
  }

  /** Signs proxies that may name users in headers. */
  public CertificateAuthority requestHeaderAuthority() {
    return requestHeader;
  }

  /** Signs service-account tokens. */
  public KeyPair serviceAccountKey() {
    return serviceAccounts;
  }

  /**
   * The client certificate in a file, made or renewed if need be.
   *
   * @param name the file's name without ending, such as {@code client-admin}
   */
  public Credential client(String name, String user, String... groups) {
    Set<String> wanted = Set.of(groups);
    return leaf(
        name,
        client,
        held -> {
          Subject subject = Subject.of(held);
          return subject.user().equals(user) && subject.groups().equals(wanted);
        },
        () -> client.issueClient(user, List.of(groups)));
  }

  /** As {@link #client}, but signed for proxies ({@code client-auth-proxy}). */
  public Credential proxy(String name, String user) {
    return leaf(
        name,
        requestHeader,
        held -> Subject.of(held).user().equals(user),
        () -> requestHeader.issueClient(user, List.of()));
  }

  /**
   * The serving certificate in a file, made or renewed if need be, and made anew with more names
   * when one is missing from it.
   *
   * @param names DNS names and IP addresses
   */
  public Credential serving(String name, String commonName, Collection<String> names) {
    List<String> wanted = List.copyOf(names);
    return leaf(
        name,
        server,
        held ->
            alternatives(held)
                .containsAll(wanted.stream().map(ClusterCertificates::canonical).toList()),
        () -> server.issueServing(commonName, wanted));
  }

  /**
   * The authority of the etcd members that servers run, made if need be. It is one of its own: who
   * it signs may read and write every object past the API.
   */
  public synchronized CertificateAuthority etcdAuthority() {
    CertificateAuthority authority = etcd;
    if (authority == null) {
      authority = authority(directory, "etcd", clock);
      etcd = authority;
    }
    return authority;
  }

  /**
   * The certificate that an etcd member shows to clients and to other members, as {@link #serving}.
   */
  public Credential etcdMember(String name, String commonName, Collection<String> names) {
    List<String> wanted = List.copyOf(names);
    CertificateAuthority authority = etcdAuthority();
    return leaf(
        name,
        authority,
        held ->
            alternatives(held)
                .containsAll(wanted.stream().map(ClusterCertificates::canonical).toList()),
        () -> authority.issuePeer(commonName, wanted));
  }

  /** The certificate that this server shows to etcd, as {@link #client}. */
  public Credential etcdClient(String name, String user) {
    CertificateAuthority authority = etcdAuthority();
    return leaf(
        name,
        authority,
        held -> Subject.of(held).user().equals(user),
        () -> authority.issueClient(user, List.of()));
  }

  /** The file of a leaf's certificate, for programs that read it themselves. */
  public Path certificateFile(String name) {
    return directory.resolve(name + ".crt");
  }

  /** The file of a leaf's key. */
  public Path keyFile(String name) {
    return directory.resolve(name + ".key");
  }

  /** Registers a listener to renewals. */
  public void onRenewal(RenewalListener listener) {
    listeners.add(listener);
  }

  /** Renews every leaf handed out here that is due, tells the listeners; returns their names. */
  public List<String> renewDue() {
    Instant now = clock.instant();
    Map<String, Leaf> due = new TreeMap<>();
    leaves.forEach(
        (name, leaf) -> {
          if (!leaf.credential().renewAt().isAfter(now)) {
            due.put(name, leaf);
          }
        });
    due.forEach(
        (name, leaf) -> {
          Credential renewed = leaf.issue().get();
          store(name, renewed);
          leaves.put(name, new Leaf(renewed, leaf.issue()));
          listeners.forEach(listener -> listener.renewed(name, renewed));
        });
    return List.copyOf(due.keySet());
  }

  /** When {@link #renewDue} will next have work; far in the future if nothing was handed out. */
  public Instant nextRenewal() {
    return leaves.values().stream()
        .map(leaf -> leaf.credential().renewAt())
        .min(Instant::compareTo)
        .orElse(Instant.MAX);
  }

  private interface Fits {
    boolean test(X509Certificate held);
  }

  private Credential leaf(
      String name, CertificateAuthority issuer, Fits fits, Supplier<Credential> issue) {
    Credential credential = held(name, issuer, fits);
    if (credential == null) {
      credential = issue.get();
      store(name, credential);
    }
    leaves.put(name, new Leaf(credential, issue));
    return credential;
  }

  private @Nullable Credential held(String name, CertificateAuthority issuer, Fits fits) {
    Path certificate = directory.resolve(name + ".crt");
    Path key = directory.resolve(name + ".key");
    if (!Files.exists(certificate) || !Files.exists(key)) {
      return null;
    }
    try {
      List<X509Certificate> chain = Pem.certificates(read(certificate));
      Credential credential = new Credential(chain, Pem.privateKey(read(key)));
      if (!issuer.issued(credential.leaf())) {
        throw new IllegalArgumentException("it is of another authority");
      }
      boolean fresh = credential.renewAt().isAfter(clock.instant());
      return fresh && fits.test(credential.leaf()) ? credential : null;
    } catch (IllegalArgumentException e) {
      // Damaged, or of an authority that was replaced: a leaf is worth nothing, make another.
      System.getLogger("dev.kedge.identity")
          .log(System.Logger.Level.INFO, "reissuing {0}: {1}", certificate, e.getMessage());
      return null;
    }
  }

  private void store(String name, Credential credential) {
    write(directory.resolve(name + ".key"), credential.keyPem(), "rw-------");
    write(directory.resolve(name + ".crt"), credential.chainPem(), "rw-------");
  }

  private static CertificateAuthority authority(Path directory, String name, Clock clock) {
    Path certificate = directory.resolve(name + "-ca.crt");
    Path key = directory.resolve(name + "-ca.key");
    if (Files.exists(certificate) && Files.exists(key)) {
      try {
        List<X509Certificate> chain = Pem.certificates(read(certificate));
        return new CertificateAuthority(chain, Pem.privateKey(read(key)), clock);
      } catch (IllegalArgumentException e) {
        // Never replaced silently: everything that was signed by it would stop working.
        throw new UncheckedIOException(
            new IOException(
                "cannot use "
                    + certificate
                    + " and its key: "
                    + e.getMessage()
                    + "; restore the files, or remove both to start with a new authority",
                e));
      }
    }
    CertificateAuthority authority =
        CertificateAuthority.create(
            "kedge-" + name + "-ca@" + clock.instant().getEpochSecond(), clock);
    write(key, Pem.encode(authority.key(), authority.certificate().getPublicKey()), "rw-------");
    write(certificate, authority.bundlePem(), "rw-------");
    return authority;
  }

  private static KeyPair serviceKey(Path directory) {
    Path file = directory.resolve("service.key");
    if (!Files.exists(file)) {
      KeyPair pair = CertificateAuthority.newKeyPair();
      String text = Pem.encode(pair.getPrivate(), pair.getPublic()) + Pem.encode(pair.getPublic());
      write(file, text, "rw-------");
      return pair;
    }
    try {
      String text = read(file);
      PrivateKey key = Pem.privateKey(text);
      PublicKey open = Pem.publicKey(text);
      return new KeyPair(open, key);
    } catch (IllegalArgumentException e) {
      throw new UncheckedIOException(
          new IOException("cannot use " + file + ": " + e.getMessage(), e));
    }
  }

  private static Set<String> alternatives(X509Certificate certificate) {
    Set<String> names = new HashSet<>();
    try {
      Collection<List<?>> all = certificate.getSubjectAlternativeNames();
      if (all != null) {
        all.forEach(entry -> names.add(canonical(String.valueOf(entry.get(1)))));
      }
    } catch (GeneralSecurityException e) {
      throw new IllegalArgumentException("unreadable certificate", e);
    }
    return names;
  }

  private static String canonical(String name) {
    byte[] address = CertificateAuthority.address(name);
    return address.length == 0
        ? name.toLowerCase(Locale.ROOT)
        : java.util.HexFormat.of().formatHex(address);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  /** Writes a file whole or not at all, with its permissions from the first byte on. */
  static void write(Path file, String text, String permissions) {
    try {
      Path directory = file.toAbsolutePath().getParent();
      Path temporary =
          Files.createTempFile(
              directory,
              file.getFileName() + ".",
              ".tmp",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.write(temporary, text.getBytes(StandardCharsets.UTF_8));
      Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString(permissions));
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
  }

  private static <T> Future<T> start(Supplier<T> work) {
    FutureTask<T> task = new FutureTask<>(work::get);
    Thread.ofVirtual().name("kedge-certificates").start(task);
    return task;
  }

  private static <T> T result(Future<T> future) {
    try {
      return future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while making certificates", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    }
  }
}
