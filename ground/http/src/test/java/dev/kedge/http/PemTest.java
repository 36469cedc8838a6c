package dev.kedge.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.security.PrivateKey;
import java.security.interfaces.ECPrivateKey;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PemTest {
  // Made for this test by openssl; used nowhere else.
  @ParameterizedTest
  @ValueSource(
      strings = {
        """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIJHRpHKX25Sv86JdBv0nbtJEks4xOpXprYZRKEFkxGVXoAoGCCqGSM49
        AwEHoUQDQgAEnfymuPGI3c4hbLVy/us89e+ctLdnW0nQYqQx1K+pZHfDefxiLhLF
        yb6PuKb0x5zNYcpaFhg4S5ISv3CCPetkOQ==
        -----END EC PRIVATE KEY-----
        """,
        """
        -----BEGIN EC PRIVATE KEY-----
        MIGkAgEBBDAvN7xX29IIycwkF8s0qVl2GvMVAirDMmm58tZVHdghlD978YOTtrro
        E/UF9vhMbw6gBwYFK4EEACKhZANiAAQlUrdUF38VB21xRB/qbzj5tejibm8ka/O/
        tlk3bq3fbB+hny6hZp/S2vznmG2jE5cisCA4toxHi7G0xVVL3JKk/R8Od6YAZT/j
        ckIKiqnAV+5A6W3r34HNJxSiMoQT6DM=
        -----END EC PRIVATE KEY-----
        """,
        """
        -----BEGIN RSA PRIVATE KEY-----
        MIIEpQIBAAKCAQEAquUupQdjqC41+2iL0sSBgEUYqdyJWoheNABwkcfqYL33L073
        t760f0qJOB/IM3evSk6ZG+ZIEqBpelIqFIEWpGDyoIyCtNC0y7gntEDkDXMl6E0v
        0StRE2dHEfk5X8lJ01dXdix1PSfnmAysjKmERVrlCMorwOMGqYZO8vzX/UFZwigT
        yKYxl1Q4irci7AmdGvg2mw1YDRtkeoSVVSZs0Nztd7rWfxqEl/9dGOasLahKEWe/
        C7GpYKOwKkJk/7eL32tO/8bZtXZURrENKt6EgrVyL/CtE+kpsK5kf1rVr6qesL9d
        e7GEWNc6e+3FSCJBZMB79/oWEx+12/kocWfJeQIDAQABAoIBAE0Yw6hT4xO2dUgM
        bDgTytCRW4UWJykeqFERebdq10P5r5A6MetFL6zVdX5KaEk/z2bYep5pj05H7A3x
        D2bcrdhOnGbtvPHRzh6x38ekFr4ymoFogQ/+WL9GMnvbUZTy/ElJ9/0qJWIHpKWl
        4ho7R576WKVUf9SvFwxXuTpJ8y8fFZ0ZF/4jIEr7JFrlMumc4P9qhEr2R+bpemo3
        w0Dik6DstVIHV3HQGKD2nTPBqn+NajG6lBNRa6xVrgVp27sBka+a8nktlv8/8GFB
        fkJI+/fPclWnqswZa7e1rhDdzrPdA7B6KuN+kMVkZLfn2WpkT9bxJO7OWn2uWCIr
        X1DHrRkCgYEA1LTdsFsFjJgZtGoKVIgoZOmQ6uC9GIbTRL+SXwlkFRe5P7Eg0THM
        HpfgNpatQb0CY7hbH1KCKexbL8OQnn5wGyKlRVsLCDIKknmUwSKDBdMV0CAg8L+N
        XDj3A7DfnwfEguf9OCkN5Kai7OcwJr/CCTUzRvQQXtnszBVZyJeIGe8CgYEAza26
        a9EATQrER7UoDecPLI2jmMbG4XbtP8l5Rf88aDamxI8PR6s0OnS1Ihbv0MYpPEzr
        q8bsJIqGKj0ZftbHs+r82IxVTJRQfFTlTUObJpG9OhRvZW8Tv1O4FxC0DV/hDkf9
        L4IcPFkHLGp/yRQ26n1vj6dktV7FG0OSAo/i2xcCgYEAixLeyAobbLueQun6ax7D
        Woekaw4aVUkCJbckGuNm/quOQeisTltC3NXskYSfL5ZHU7AcVDR8SrDxRh+WFSsS
        XYufh+NpKSie5Pp9mnHYPRyw7G21W/PCl4Pfbhhdfft0LytD0050eQXDDSZzw0Ip
        uh+AsWmusnXGcAGdvJvnLx0CgYEAtnum5LXAUJp23zBJY1xXyC26snfaSHwdrvRw
        VrxHuiaS+935rpqlch/N/XrgNxk5yLhueC+7oAgPVTZ0gmbJNEYPI4oOvCzy4/zm
        nRCYfTXc78TluNc+bAg5Uq2NMjiZEvSoHBiSOLC8fpnW2m7G8nFsI8ZewdRdiP0A
        dKl4mu0CgYEAnbaG9vOtynyf7SHtLSH/6LvtoOGZgNaXZAktn6sOz85GWUVuM9kF
        ONoQT64GGiOOqB7w1pKUXst4yj2BYQ3oKSS9bm3upp7sZtTQeAHXaaPCNOidzmGi
        qJCKs41MN69P4UTJLJzPy/aoXVjpFOClDcyQrQUGL1B+HaEu7K8sql0=
        -----END RSA PRIVATE KEY-----
        """
      })
  void readsKeysInTheOlderForms(String text) {
    PrivateKey key = Pem.privateKey(text);
    assertThat(key.getAlgorithm()).isEqualTo(text.contains("RSA") ? "RSA" : "EC");
    if (key instanceof ECPrivateKey ec) {
      assertThat(ec.getParams().getOrder().bitLength()).isIn(256, 384);
    }
    assertThat(Pem.privateKey(Pem.encode("PRIVATE KEY", key.getEncoded()))).isEqualTo(key);
  }

  @Test
  void readsWhatItWrites() {
    TestCertificates authority = new TestCertificates("authority");
    TlsIdentity leaf = authority.leaf("leaf");
    String chain =
        "a comment\n" + Pem.encode(List.of(leaf.chain().getFirst(), authority.certificate()));
    TlsIdentity read =
        Pem.identity(chain, Pem.encode(leaf.key(), leaf.chain().getFirst().getPublicKey()));
    assertThat(read.chain()).containsExactly(leaf.chain().getFirst(), authority.certificate());
    assertThat(read.key()).isEqualTo(leaf.key());
  }

  @Test
  void saysWhatIsWrong() {
    assertThatThrownBy(() -> Pem.certificates("nothing"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no CERTIFICATE block in the PEM text");
    assertThatThrownBy(
            () -> Pem.privateKey("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("malformed private key");
  }
}
