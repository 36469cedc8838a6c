package dev.kedge.apiserver;

import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.Query;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.cert.X509Certificate;
import java.util.List;

/** A request without a connection, for the stages alone; what it is answered goes nowhere. */
record FakeExchange(String method, String path, Query query) implements Exchange {
  @Override
  public Headers headers() {
    return Headers.NONE;
  }

  @Override
  public List<X509Certificate> peerCertificates() {
    return List.of();
  }

  @Override
  public String remoteAddress() {
    return "127.0.0.1";
  }

  @Override
  public String protocol() {
    return "HTTP/1.1";
  }

  @Override
  public InputStream body() {
    return InputStream.nullInputStream();
  }

  @Override
  public void respond(int status, Headers headers, byte[] body) {}

  @Override
  public OutputStream stream(int status, Headers headers) {
    return OutputStream.nullOutputStream();
  }

  @Override
  public Connection hijack(Headers headers) {
    throw new AssertionError("not to be taken over");
  }

  @Override
  public void onGone(Runnable action) {}
}
