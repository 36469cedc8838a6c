package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.http.Query;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestInfoTest {
  /** Method, URL; then verb, group, version, namespace, resource, subresource, name. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "GET|/api/v1/namespaces|list,,v1,,namespaces,,",
        "GET|/api/v1/namespaces/other|get,,v1,other,namespaces,,other",
        "GET|/api/v1/namespaces/other/pods|list,,v1,other,pods,,",
        "GET|/api/v1/namespaces/other/pods/foo|get,,v1,other,pods,,foo",
        "HEAD|/api/v1/namespaces/other/pods/foo|get,,v1,other,pods,,foo",
        "GET|/api/v1/pods|list,,v1,,pods,,",
        "GET|/api/v1/pods?watch=true|watch,,v1,,pods,,",
        "GET|/api/v1/pods?watch=|watch,,v1,,pods,,",
        "GET|/api/v1/pods?watch=false|list,,v1,,pods,,",
        "GET|/api/v1/pods?watch=0|list,,v1,,pods,,",
        "GET|/api/v1/watch/pods|watch,,v1,,pods,,",
        "GET|/api/v1/watch/namespaces/other/pods|watch,,v1,other,pods,,",
        "GET|/api/v1/watch/namespaces/other/pods/foo|watch,,v1,other,pods,,foo",
        "GET|/api/v1/namespaces/other/pods/foo/log|get,,v1,other,pods,log,foo",
        "GET|/api/v1/namespaces/other/services/a:b/proxy/x/y|get,,v1,other,services,proxy,a:b",
        "PUT|/api/v1/namespaces/other/finalize|update,,v1,other,namespaces,finalize,other",
        "PUT|/api/v1/namespaces/other/status|update,,v1,other,namespaces,status,other",
        "PATCH|/apis/apps/v1/namespaces/a/deployments/d|patch,apps,v1,a,deployments,,d",
        "DELETE|/apis/apps/v1/namespaces/a/deployments/d|delete,apps,v1,a,deployments,,d",
        "DELETE|/apis/apps/v1/namespaces/a/deployments|deletecollection,apps,v1,a,deployments,,",
        "POST|/apis/batch/v1/namespaces/a/jobs|create,batch,v1,a,jobs,,",
        "GET|/api/v1/secrets?fieldSelector=metadata.name%3Dfoo|list,,v1,,secrets,,foo",
        "GET|/api/v1/secrets?watch=1&fieldSelector=type%3Da,metadata.name%3D%3Dfoo|watch,,v1,,secrets,,foo",
        "GET|/api/v1/secrets?fieldSelector=metadata.name!%3Dfoo|list,,v1,,secrets,,",
        "GET|/api/v1/nodes/n%3A1|get,,v1,,nodes,,n:1",
      })
  void readsResources(String method, String url, String wanted) {
    RequestInfo info = info(method, url);
    assertThat(info.resourceRequest()).isTrue();
    assertThat(
            String.join(
                ",",
                info.verb(),
                info.group(),
                info.version(),
                info.namespace(),
                info.resource(),
                info.subresource(),
                info.name()))
        .isEqualTo(wanted);
  }

  @ParameterizedTest
  @CsvSource({
    "GET,/",
    "GET,/api",
    "GET,/api/v1",
    "GET,/apis/apps/v1",
    "POST,/healthz",
    "GET,/api/v1/watch"
  })
  void readsOtherPaths(String method, String url) {
    RequestInfo info = info(method, url);
    assertThat(info.resourceRequest()).isFalse();
    assertThat(info.verb()).isEqualTo(method.toLowerCase(java.util.Locale.ROOT));
    assertThat(info.path()).isEqualTo(url);
  }

  private static RequestInfo info(String method, String url) {
    int mark = url.indexOf('?');
    return mark < 0
        ? RequestInfo.of(method, url, Query.NONE)
        : RequestInfo.of(method, url.substring(0, mark), Query.parse(url.substring(mark + 1)));
  }
}
