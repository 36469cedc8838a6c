package dev.kedge.store.etcd;

import dev.kedge.grpc.GrpcException;
import dev.kedge.store.StoreException;
import java.io.EOFException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;

/** Says in a sentence what went wrong with etcd and what to do about it. */
final class Failures {
  private Failures() {}

  static StoreException of(Endpoints endpoints, GrpcException e) {
    String detail = e.detail();
    return switch (e.code()) {
      case UNAUTHENTICATED, PERMISSION_DENIED ->
          new StoreException(
              "etcd at "
                  + endpoints
                  + " does not let this server in ("
                  + detail
                  + "): give a certificate whose common name is a user that may read and write all"
                  + " keys, with --datastore-certfile and --datastore-keyfile",
              e);
      case INVALID_ARGUMENT, RESOURCE_EXHAUSTED, OUT_OF_RANGE, FAILED_PRECONDITION -> refused(e);
      default ->
          new StoreException("etcd at " + endpoints + " does not answer (" + detail + ")", e);
    };
  }

  private static StoreException refused(GrpcException e) {
    String detail = e.detail();
    if (detail.contains("request is too large") || detail.contains("larger than max")) {
      return new StoreException(
          "the object is larger than etcd takes; raise etcd's --max-request-bytes", e);
    }
    if (detail.contains("database space exceeded")) {
      return new StoreException(
          "etcd's database is full: raise its --quota-backend-bytes or make room with etcdctl"
              + " defrag, then etcdctl alarm disarm",
          e);
    }
    return new StoreException("etcd refuses: " + detail, e);
  }

  /** For a member that was tried first of all. */
  static StoreException connecting(String url, boolean certificateGiven, GrpcException e) {
    return new StoreException("etcd at " + url + " " + reason(url, certificateGiven, e), e);
  }

  /** Whether waiting a moment will not help. */
  static boolean isTls(GrpcException e) {
    return cause(e, SSLException.class) != null || cause(e, CertificateException.class) != null;
  }

  private static String reason(String url, boolean certificateGiven, GrpcException e) {
    if (cause(e, UnknownHostException.class) != null) {
      return "cannot be reached: its name is unknown; correct --datastore-endpoint";
    }
    if (cause(e, ConnectException.class) != null) {
      return "cannot be reached (connection refused); start it or correct --datastore-endpoint";
    }
    if (cause(e, CertPathBuilderException.class) != null
        || cause(e, CertPathValidatorException.class) != null) {
      return "shows a certificate of another authority; give its authority with"
          + " --datastore-cafile";
    }
    CertificateException certificate = cause(e, CertificateException.class);
    if (certificate != null) {
      return "shows a certificate that is not its own ("
          + certificate.getMessage()
          + "); name it in --datastore-endpoint as its certificate does";
    }
    SSLException tls = cause(e, SSLException.class);
    if (tls != null && String.valueOf(tls.getMessage()).contains("unrecognized SSL message")) {
      return "speaks no TLS; begin its URL with http://";
    }
    if (cause(e, SSLHandshakeException.class) != null && cause(e, EOFException.class) != null) {
      // Who wants another certificate says so; who speaks no TLS hangs up.
      return "ends the connection where TLS begins; begin its URL with http:// if it speaks none";
    }
    boolean secure = url.startsWith("https:");
    if (secure
        && (tls != null
            || cause(e, SocketException.class) != null
            || cause(e, EOFException.class) != null)) {
      return certificateGiven
          ? "does not accept the certificate in --datastore-certfile ("
              + e.detail()
              + "); give one of an authority that it trusts"
          : "asks for a client certificate; give one with --datastore-certfile and"
              + " --datastore-keyfile";
    }
    if (!secure && e.isUnavailable()) {
      return "speaks no HTTP/2 in the clear ("
          + e.detail()
          + "); begin its URL with https:// if it wants TLS";
    }
    return "does not answer (" + e.detail() + "); see to it, or correct --datastore-endpoint";
  }

  private static <T extends Throwable> @Nullable T cause(Throwable e, Class<T> type) {
    for (Throwable each = e; each != null; each = each.getCause()) {
      if (type.isInstance(each)) {
        return type.cast(each);
      }
    }
    return null;
  }
}
