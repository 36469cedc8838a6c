package dev.kedge.cel;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The functions of the language and of Kubernetes' libraries, by name, with the identifiers that
 * cost rules refer to. Stateless.
 */
final class Signatures {
  /**
   * One form of a function.
   *
   * @param member whether it is called on its first argument
   */
  record Overload(String id, boolean member, List<CelType> arguments, CelType result) {}

  static final CelType QUANTITY = CelType.opaque("kubernetes.Quantity");
  static final CelType IP = CelType.opaque("net.IP");
  static final CelType CIDR = CelType.opaque("net.CIDR");
  static final CelType URL = CelType.opaque("kubernetes.URL");
  static final CelType FORMAT = CelType.opaque("kubernetes.NamedFormat");
  static final CelType SEMVER = CelType.opaque("kubernetes.Semver");
  static final CelType AUTHORIZER = CelType.opaque("kubernetes.authorization.Authorizer");
  static final CelType PATH_CHECK = CelType.opaque("kubernetes.authorization.PathCheck");
  static final CelType GROUP_CHECK = CelType.opaque("kubernetes.authorization.GroupCheck");
  static final CelType RESOURCE_CHECK = CelType.opaque("kubernetes.authorization.ResourceCheck");
  static final CelType DECISION = CelType.opaque("kubernetes.authorization.Decision");

  private static final Map<String, CelType> NAMED =
      Map.ofEntries(
          Map.entry("dyn", CelType.DYN),
          Map.entry("null", CelType.NULL),
          Map.entry("bool", CelType.BOOL),
          Map.entry("int", CelType.INT),
          Map.entry("uint", CelType.UINT),
          Map.entry("double", CelType.DOUBLE),
          Map.entry("string", CelType.STRING),
          Map.entry("bytes", CelType.BYTES),
          Map.entry("timestamp", CelType.TIMESTAMP),
          Map.entry("duration", CelType.DURATION),
          Map.entry("Quantity", QUANTITY),
          Map.entry("IP", IP),
          Map.entry("CIDR", CIDR),
          Map.entry("URL", URL),
          Map.entry("Format", FORMAT),
          Map.entry("Semver", SEMVER),
          Map.entry("Authorizer", AUTHORIZER),
          Map.entry("PathCheck", PATH_CHECK),
          Map.entry("GroupCheck", GROUP_CHECK),
          Map.entry("ResourceCheck", RESOURCE_CHECK),
          Map.entry("Decision", DECISION));

  /**
   * Function, then its forms: identifier, arguments, result; a form with a dot before its arguments
   * is called on the first one. Capital single letters stand for any type.
   */
  private static final String TABLE =
      """
      _?_:_ conditional(bool,A,A)A
      _&&_ logical_and(bool,bool)bool
      _||_ logical_or(bool,bool)bool
      !_ logical_not(bool)bool
      @not_strictly_false not_strictly_false(bool)bool
      _==_ equals(A,A)bool
      _!=_ not_equals(A,A)bool
      -_ negate_int64(int)int negate_double(double)double
      _+_ add_bytes(bytes,bytes)bytes add_double(double,double)double add_duration_duration(duration,duration)duration add_duration_timestamp(duration,timestamp)timestamp add_timestamp_duration(timestamp,duration)timestamp add_int64(int,int)int add_list(list<A>,list<A>)list<A> add_string(string,string)string add_uint64(uint,uint)uint
      _-_ subtract_double(double,double)double subtract_duration_duration(duration,duration)duration subtract_int64(int,int)int subtract_timestamp_duration(timestamp,duration)timestamp subtract_timestamp_timestamp(timestamp,timestamp)duration subtract_uint64(uint,uint)uint
      _*_ multiply_double(double,double)double multiply_int64(int,int)int multiply_uint64(uint,uint)uint
      _/_ divide_double(double,double)double divide_int64(int,int)int divide_uint64(uint,uint)uint
      _%_ modulo_int64(int,int)int modulo_uint64(uint,uint)uint
      _<_ less_bool(bool,bool)bool less_int64(int,int)bool less_int64_double(int,double)bool less_int64_uint64(int,uint)bool less_uint64(uint,uint)bool less_uint64_double(uint,double)bool less_uint64_int64(uint,int)bool less_double(double,double)bool less_double_int64(double,int)bool less_double_uint64(double,uint)bool less_string(string,string)bool less_bytes(bytes,bytes)bool less_timestamp(timestamp,timestamp)bool less_duration(duration,duration)bool
      _<=_ less_equals_bool(bool,bool)bool less_equals_int64(int,int)bool less_equals_int64_double(int,double)bool less_equals_int64_uint64(int,uint)bool less_equals_uint64(uint,uint)bool less_equals_uint64_double(uint,double)bool less_equals_uint64_int64(uint,int)bool less_equals_double(double,double)bool less_equals_double_int64(double,int)bool less_equals_double_uint64(double,uint)bool less_equals_string(string,string)bool less_equals_bytes(bytes,bytes)bool less_equals_timestamp(timestamp,timestamp)bool less_equals_duration(duration,duration)bool
      _>_ greater_bool(bool,bool)bool greater_int64(int,int)bool greater_int64_double(int,double)bool greater_int64_uint64(int,uint)bool greater_uint64(uint,uint)bool greater_uint64_double(uint,double)bool greater_uint64_int64(uint,int)bool greater_double(double,double)bool greater_double_int64(double,int)bool greater_double_uint64(double,uint)bool greater_string(string,string)bool greater_bytes(bytes,bytes)bool greater_timestamp(timestamp,timestamp)bool greater_duration(duration,duration)bool
      _>=_ greater_equals_bool(bool,bool)bool greater_equals_int64(int,int)bool greater_equals_int64_double(int,double)bool greater_equals_int64_uint64(int,uint)bool greater_equals_uint64(uint,uint)bool greater_equals_uint64_double(uint,double)bool greater_equals_uint64_int64(uint,int)bool greater_equals_double(double,double)bool greater_equals_double_int64(double,int)bool greater_equals_double_uint64(double,uint)bool greater_equals_string(string,string)bool greater_equals_bytes(bytes,bytes)bool greater_equals_timestamp(timestamp,timestamp)bool greater_equals_duration(duration,duration)bool
      _[_] index_list(list<A>,int)A index_map(map<A,B>,A)B optional_list_index_int(opt<list<A>>,int)opt<A> optional_map_index_value(opt<map<A,B>>,A)opt<B>
      _[?_] list_optindex_optional_int(list<A>,int)opt<A> optional_list_optindex_optional_int(opt<list<A>>,int)opt<A> map_optindex_optional_value(map<A,B>,A)opt<B> optional_map_optindex_optional_value(opt<map<A,B>>,A)opt<B>
      @in in_list(A,list<A>)bool in_map(A,map<A,B>)bool
      size size_bytes(bytes)int bytes_size.(bytes)int size_list(list<A>)int list_size.(list<A>)int size_map(map<A,B>)int map_size.(map<A,B>)int size_string(string)int string_size.(string)int
      type type(A)type<A>
      dyn to_dyn(A)dyn
      bool bool_to_bool(bool)bool string_to_bool(string)bool
      bytes bytes_to_bytes(bytes)bytes string_to_bytes(string)bytes
      double double_to_double(double)double int64_to_double(int)double string_to_double(string)double uint64_to_double(uint)double
      duration duration_to_duration(duration)duration string_to_duration(string)duration int64_to_duration(int)duration
      int int64_to_int64(int)int double_to_int64(double)int duration_to_int64(duration)int string_to_int64(string)int timestamp_to_int64(timestamp)int uint64_to_int64(uint)int
      string string_to_string(string)string bool_to_string(bool)string bytes_to_string(bytes)string double_to_string(double)string duration_to_string(duration)string int64_to_string(int)string timestamp_to_string(timestamp)string uint64_to_string(uint)string ip_to_string(IP)string cidr_to_string(CIDR)string
      timestamp timestamp_to_timestamp(timestamp)timestamp int64_to_timestamp(int)timestamp string_to_timestamp(string)timestamp
      uint uint64_to_uint64(uint)uint double_to_uint64(double)uint int64_to_uint64(int)uint string_to_uint64(string)uint
      contains contains_string.(string,string)bool
      endsWith ends_with_string.(string,string)bool
      startsWith starts_with_string.(string,string)bool
      matches matches(string,string)bool matches_string.(string,string)bool
      getFullYear timestamp_to_year.(timestamp)int timestamp_to_year_with_tz.(timestamp,string)int
      getMonth timestamp_to_month.(timestamp)int timestamp_to_month_with_tz.(timestamp,string)int
      getDayOfYear timestamp_to_day_of_year.(timestamp)int timestamp_to_day_of_year_with_tz.(timestamp,string)int
      getDayOfMonth timestamp_to_day_of_month.(timestamp)int timestamp_to_day_of_month_with_tz.(timestamp,string)int
      getDate timestamp_to_day_of_month_1_based.(timestamp)int timestamp_to_day_of_month_1_based_with_tz.(timestamp,string)int
      getDayOfWeek timestamp_to_day_of_week.(timestamp)int timestamp_to_day_of_week_with_tz.(timestamp,string)int
      getHours timestamp_to_hours.(timestamp)int timestamp_to_hours_with_tz.(timestamp,string)int duration_to_hours.(duration)int
      getMinutes timestamp_to_minutes.(timestamp)int timestamp_to_minutes_with_tz.(timestamp,string)int duration_to_minutes.(duration)int
      getSeconds timestamp_to_seconds.(timestamp)int timestamp_to_seconds_tz.(timestamp,string)int duration_to_seconds.(duration)int
      getMilliseconds timestamp_to_milliseconds.(timestamp)int timestamp_to_milliseconds_with_tz.(timestamp,string)int duration_to_milliseconds.(duration)int
      optional.of optional_of(A)opt<A>
      optional.ofNonZeroValue optional_ofNonZeroValue(A)opt<A>
      optional.none optional_none()opt<A>
      optional.unwrap optional_unwrap(list<opt<A>>)list<A>
      unwrapOpt optional_unwrapOpt.(list<opt<A>>)list<A>
      value optional_value.(opt<A>)A
      hasValue optional_hasValue.(opt<A>)bool
      or optional_or_optional.(opt<A>,opt<A>)opt<A>
      orValue optional_orValue_value.(opt<A>,A)A
      first list_first.(list<A>)opt<A>
      last list_last.(list<A>)opt<A>
      cel.@mapInsert @mapInsert_map_key_value(map<A,B>,A,B)map<A,B> @mapInsert_map_map(map<A,B>,map<A,B>)map<A,B>
      charAt string_char_at_int.(string,int)string
      indexOf string_index_of_string.(string,string)int string_index_of_string_int.(string,string,int)int list_a_index_of_int.(list<A>,A)int
      lastIndexOf string_last_index_of_string.(string,string)int string_last_index_of_string_int.(string,string,int)int list_a_last_index_of_int.(list<A>,A)int
      lowerAscii string_lower_ascii.(string)string
      upperAscii string_upper_ascii.(string)string
      replace string_replace_string_string.(string,string,string)string string_replace_string_string_int.(string,string,string,int)string
      split string_split_string.(string,string)list<string> string_split_string_int.(string,string,int)list<string>
      substring string_substring_int.(string,int)string string_substring_int_int.(string,int,int)string
      trim string_trim.(string)string
      join list_join.(list<string>)string list_join_string.(list<string>,string)string
      format string_format.(string,list<dyn>)string
      strings.quote strings_quote(string)string
      sets.contains list_sets_contains_list(list<A>,list<A>)bool
      sets.equivalent list_sets_equivalent_list(list<A>,list<A>)bool
      sets.intersects list_sets_intersects_list(list<A>,list<A>)bool
      isSorted list_int_is_sorted_bool.(list<int>)bool list_uint_is_sorted_bool.(list<uint>)bool list_double_is_sorted_bool.(list<double>)bool list_bool_is_sorted_bool.(list<bool>)bool list_string_is_sorted_bool.(list<string>)bool list_bytes_is_sorted_bool.(list<bytes>)bool list_timestamp_is_sorted_bool.(list<timestamp>)bool list_duration_is_sorted_bool.(list<duration>)bool
      sum list_int_sum_int.(list<int>)int list_uint_sum_uint.(list<uint>)uint list_double_sum_double.(list<double>)double list_duration_sum_duration.(list<duration>)duration
      max list_int_max_int.(list<int>)int list_uint_max_uint.(list<uint>)uint list_double_max_double.(list<double>)double list_bool_max_bool.(list<bool>)bool list_string_max_string.(list<string>)string list_bytes_max_bytes.(list<bytes>)bytes list_timestamp_max_timestamp.(list<timestamp>)timestamp list_duration_max_duration.(list<duration>)duration
      min list_int_min_int.(list<int>)int list_uint_min_uint.(list<uint>)uint list_double_min_double.(list<double>)double list_bool_min_bool.(list<bool>)bool list_string_min_string.(list<string>)string list_bytes_min_bytes.(list<bytes>)bytes list_timestamp_min_timestamp.(list<timestamp>)timestamp list_duration_min_duration.(list<duration>)duration
      slice list_slice.(list<A>,int,int)list<A>
      flatten list_flatten.(list<list<A>>)list<A> list_flatten_int.(list<dyn>,int)list<dyn>
      lists.range lists_range(int)list<int>
      distinct list_distinct.(list<A>)list<A>
      reverse list_reverse.(list<A>)list<A>
      sort list_int_sort.(list<int>)list<int> list_uint_sort.(list<uint>)list<uint> list_double_sort.(list<double>)list<double> list_bool_sort.(list<bool>)list<bool> list_duration_sort.(list<duration>)list<duration> list_timestamp_sort.(list<timestamp>)list<timestamp> list_string_sort.(list<string>)list<string> list_bytes_sort.(list<bytes>)list<bytes>
      @sortByAssociatedKeys list_sortBy.(list<A>,list<B>)list<A>
      find string_find_string.(string,string)string
      findAll string_find_all_string.(string,string)list<string> string_find_all_string_int.(string,string,int)list<string>
      url string_to_url(string)URL
      isURL is_url_string(string)bool
      getScheme url_get_scheme.(URL)string
      getHost url_get_host.(URL)string
      getHostname url_get_hostname.(URL)string
      getPort url_get_port.(URL)string
      getEscapedPath url_get_escaped_path.(URL)string
      getQuery url_get_query.(URL)map<string,list<string>>
      quantity string_to_quantity(string)Quantity
      isQuantity is_quantity_string(string)bool
      sign quantity_sign.(Quantity)int
      isGreaterThan quantity_is_greater_than.(Quantity,Quantity)bool semver_is_greater_than.(Semver,Semver)bool
      isLessThan quantity_is_less_than.(Quantity,Quantity)bool semver_is_less_than.(Semver,Semver)bool
      compareTo quantity_compare_to.(Quantity,Quantity)int semver_compare_to.(Semver,Semver)int
      asApproximateFloat quantity_get_float.(Quantity)double
      asInteger quantity_get_int.(Quantity)int
      isInteger quantity_is_integer.(Quantity)bool
      add quantity_add.(Quantity,Quantity)Quantity quantity_add_int.(Quantity,int)Quantity
      sub quantity_sub.(Quantity,Quantity)Quantity quantity_sub_int.(Quantity,int)Quantity
      ip string_to_ip(string)IP cidr_ip.(CIDR)IP
      isIP is_ip(string)bool
      ip.isCanonical ip_is_canonical(string)bool
      family family.(IP)int
      isUnspecified is_unspecified.(IP)bool
      isLoopback is_loopback.(IP)bool
      isLinkLocalMulticast is_link_local_multicast.(IP)bool
      isLinkLocalUnicast is_link_local_unicast.(IP)bool
      isGlobalUnicast is_global_unicast.(IP)bool
      cidr string_to_cidr(string)CIDR
      isCIDR is_cidr(string)bool
      containsIP cidr_contains_ip_string.(CIDR,string)bool cidr_contains_ip_ip.(CIDR,IP)bool
      containsCIDR cidr_contains_cidr_string.(CIDR,string)bool cidr_contains_cidr.(CIDR,CIDR)bool
      masked masked.(CIDR)CIDR
      prefixLength prefix_length.(CIDR)int
      format.named format-named(string)opt<Format>
      format.dns1123Label format-dns1123Label()Format
      format.dns1123Subdomain format-dns1123Subdomain()Format
      format.dns1035Label format-dns1035Label()Format
      format.qualifiedName format-qualifiedName()Format
      format.dns1123LabelPrefix format-dns1123LabelPrefix()Format
      format.dns1123SubdomainPrefix format-dns1123SubdomainPrefix()Format
      format.dns1035LabelPrefix format-dns1035LabelPrefix()Format
      format.labelValue format-labelValue()Format
      format.uri format-uri()Format
      format.uuid format-uuid()Format
      format.byte format-byte()Format
      format.date format-date()Format
      format.datetime format-datetime()Format
      validate format-validate.(Format,string)opt<list<string>>
      semver string_to_semver(string)Semver string_bool_to_semver(string,bool)Semver
      isSemver is_semver_string(string)bool is_semver_string_bool(string,bool)bool
      major semver_major.(Semver)int
      minor semver_minor.(Semver)int
      patch semver_patch.(Semver)int
      path authorizer_path.(Authorizer,string)PathCheck
      group authorizer_group.(Authorizer,string)GroupCheck
      serviceAccount authorizer_serviceaccount.(Authorizer,string,string)Authorizer
      resource groupcheck_resource.(GroupCheck,string)ResourceCheck
      subresource resourcecheck_subresource.(ResourceCheck,string)ResourceCheck
      namespace resourcecheck_namespace.(ResourceCheck,string)ResourceCheck
      name resourcecheck_name.(ResourceCheck,string)ResourceCheck
      fieldSelector authorizer_fieldselector.(ResourceCheck,string)ResourceCheck
      labelSelector authorizer_labelselector.(ResourceCheck,string)ResourceCheck
      check pathcheck_check.(PathCheck,string)Decision resourcecheck_check.(ResourceCheck,string)Decision
      allowed decision_allowed.(Decision)bool
      errored decision_errored.(Decision)bool
      error decision_error.(Decision)string
      reason decision_reason.(Decision)string
      jsonpatch.escapeKey string_jsonpatch_escapeKey_string(string)string
      """;

  private static final Map<String, List<Overload>> FUNCTIONS = read();

  private Signatures() {}

  /** The forms of a function; empty if there is none of this name. */
  static List<Overload> of(String function) {
    return FUNCTIONS.getOrDefault(function, List.of());
  }

  private static Map<String, List<Overload>> read() {
    Map<String, List<Overload>> functions = new HashMap<>();
    for (String line : TABLE.split("\n")) {
      String[] words = line.split(" ");
      List<Overload> overloads = new ArrayList<>();
      for (int i = 1; i < words.length; i++) {
        overloads.add(overload(words[i]));
      }
      functions.put(words[0], List.copyOf(overloads));
    }
    return Map.copyOf(functions);
  }

  private static Overload overload(String text) {
    int open = text.indexOf('(');
    int close = text.lastIndexOf(')');
    boolean member = text.charAt(open - 1) == '.';
    return new Overload(
        text.substring(0, member ? open - 1 : open),
        member,
        types(text.substring(open + 1, close)),
        type(text.substring(close + 1)));
  }

  private static List<CelType> types(String text) {
    List<CelType> types = new ArrayList<>();
    int depth = 0;
    int start = 0;
    for (int i = 0; i <= text.length(); i++) {
      char c = i == text.length() ? ',' : text.charAt(i);
      if (c == '<') {
        depth++;
      } else if (c == '>') {
        depth--;
      } else if (c == ',' && depth == 0) {
        if (i > start) {
          types.add(type(text.substring(start, i)));
        }
        start = i + 1;
      }
    }
    return types;
  }

  private static CelType type(String text) {
    int open = text.indexOf('<');
    if (open < 0) {
      CelType named = NAMED.get(text);
      return named == null ? CelType.parameter(text) : named;
    }
    List<CelType> inner = types(text.substring(open + 1, text.length() - 1));
    return switch (text.substring(0, open)) {
      case "list" -> CelType.list(inner.getFirst());
      case "map" -> CelType.map(inner.get(0), inner.get(1));
      case "opt" -> CelType.optional(inner.getFirst());
      case "type" -> CelType.typeOf(inner.getFirst());
      default -> throw new IllegalStateException("no such type: " + text);
    };
  }
}
