# calls_from_headers.awk: one row per public function that makes arrays, for ops_fuzz.c, from the headers' own prototypes:
# CALL(pons_add, out[0] = pons_add(a[0], a[1])). What each type of parameter is drawn from stands in argument().
# Usage: awk -v types_only='REGEX' -v by_hand='REGEX' -f calls_from_headers.awk HEADER...
# Headers that match types_only lend their types alone; functions that match by_hand stand in ops_fuzz.c itself.

FNR == 1 { text = text "\n; @" FILENAME " ;\n" }
{ text = text $0 "\n" }

# Comments and preprocessor lines go; what remains is one line.
function plain(s,   at, end) {
  while ((at = index(s, "/*")) > 0) {
    end = index(substr(s, at), "*/")
    s = substr(s, 1, at - 1) " " substr(s, at + end + 1)
  }
  gsub(/\\\n/, " ", s)
  gsub(/(^|\n)[ \t]*#[^\n]*/, "\n", s)
  gsub(/extern "C" \{/, "", s)
  gsub(/[ \t\n]+/, " ", s)
  return s
}

function trim(s) { gsub(/^ +| +$/, "", s); return s }

# The expression for a parameter or member `declaration`; "" if its type is not known.
function argument(declaration,   type, name, word) {
  declaration = trim(declaration)
  name = declaration; sub(/\[[^]]*\]$/, "", name); sub(/^.*[ *]/, "", name)
  type = declaration; sub(/\[[^]]*\]$/, "", type); type = trim(substr(type, 1, length(type) - length(name)))
  last_name = name # for structure()
  if (type == "pons_array" && declaration ~ /\[/) { outs = 1; return "out" }
  if (type == "pons_array *") { outs = 1; return "out" }
  if (type == "pons_array") return "a[" (n_arrays++ % 8) "]"
  if (type == "const pons_array *") { after_list = 1; return "r->list" }
  if (type ~ /^(int|int64_t|size_t)$/ && after_list == 1 && name ~ /^(n|n_.*|count)$/) { after_list = 2; return "r->n_list" }
  if (type == "const pons_shape *") return "r->shapes"
  if (type == "int" && name == "count") return "(r->n_list % 4)" # of the lists below, too
  if (type ~ /^const pons_[a-z_]+ \*$/ && structure_of(type) in members) {
    word = structure_of(type)
    word = "((const " word "[]){" structure(word, members[word]) ", " structure(word, members[word]) ", " \
           structure(word, members[word]) "})"
    last_name = name
    return missing == "" ? word : ""
  }
  if (type ~ /^(int|int64_t|uint64_t|uint32_t|size_t|unsigned)$/) return "(" type ")r->" (has_outs ? "counts" : "ints") "[" (n_ints++ % 4) "]"
  if (type == "const double *") return "&r->reals[" (n_reals++ % 3) "]"
  if (type ~ /^(float|double)$/) return "(" type ")r->reals[" (n_reals++ % 3) "]"
  if (type == "char") return "\"LUx\"[r->ints[" (n_ints++ % 4) "] & 3]"
  if (type == "bool") return "r->flags[" (n_flags++ % 8) "]"
  if (type == "pons_dtype") return "r->dtypes[" (n_dtypes++ % 2) "]"
  if (type == "pons_axes") return "r->axes[" (n_axes++ % 4) "]"
  if (type == "pons_shape") return "r->shapes[" (n_shapes++ % 4) "]"
  if (type == "const char *") return "r->words[" (n_words++ % 2) "]"
  if (type in enums) return "(" type ")r->ints[" (n_ints++ % 4) "]"
  word = type; sub(/^struct /, "", word)
  if (word in members) {
    word = structure(type, members[word])
    last_name = name
    return word
  }
  missing = type
  return ""
}

function structure_of(pointer) { sub(/^const /, "", pointer); sub(/ \*$/, "", pointer); return pointer }

function structure(type, list,   parts, names, n, m, i, k, base, expression, one) {
  expression = ""
  gsub(/enum \{[^}]*\}/, "int", list)
  n = split(list, parts, ";")
  for (i = 1; i <= n; i++) {
    if (trim(parts[i]) == "") continue
    m = split(parts[i], names, ",")
    base = trim(names[1]); sub(/[ *]*[^ *]+$/, "", base)
    for (k = 1; k <= m; k++) {
      one = argument(k == 1 ? names[1] : base " " trim(names[k]))
      if (one == "") return ""
      expression = expression (expression == "" ? "" : ", ") "." last_name " = " one
    }
  }
  return "((" type "){" expression "})"
}

function prototype(s,   open, head, name, result, list, parts, n, i, call, one) {
  open = index(s, "(")
  head = trim(substr(s, 1, open - 1)); list = substr(s, open + 1); sub(/\)[^)]*$/, "", list)
  name = head; sub(/^.*[ *]/, "", name)
  result = trim(substr(head, 1, length(head) - length(name))); sub(/^PONS_API /, "", result)
  if (by_hand != "" && name ~ by_hand) { print "/* called by hand: " name " */"; return }
  n_arrays = n_ints = n_reals = n_flags = n_dtypes = n_axes = n_shapes = n_words = outs = after_list = 0
  missing = ""
  has_outs = list ~ /pons_array \*?out/ # how many results there are may follow from a number
  n = list == "void" ? 0 : split(list, parts, ",")
  for (i = 1; i <= n; i++) {
    one = argument(parts[i])
    if (one == "") { print "/* not called: " name ", for its " missing " */"; return }
    call = call (i > 1 ? ", " : "") one
  }
  call = name "(" call ")"
  if (result == "pons_array") print "CALL(" name ", out[0] = " call ")"
  else if (outs) print "CALL(" name ", (void)" call ")"
  else print "/* not called: " name ", which makes no arrays */"
}

END {
  text = plain(text)
  n = length(text)
  for (i = 1; i <= n; i++) {
    c = substr(text, i, 1)
    if (c == "{") depth++
    if (c == "}") depth--
    if (c == "}" && depth == 0 && word_so_far ~ /^ *static inline/) { word_so_far = ""; continue }
    if (c == ";" && depth <= 0) { statement[++count] = trim(word_so_far); word_so_far = ""; depth = 0 } else word_so_far = word_so_far c
  }
  for (i = 1; i <= count; i++) {
    s = statement[i]
    sub(/^} /, "", s)
    if (s ~ /^typedef enum/) { name = s; sub(/^.*\} */, "", name); enums[name] = 1 }
    else if (s ~ /^(typedef )?struct [a-z_0-9]+ \{/) {
      name = s; sub(/^(typedef )?struct /, "", name); sub(/ .*/, "", name)
      list = s; sub(/^[^{]*\{/, "", list); sub(/\}[^}]*$/, "", list)
      members[name] = list
    }
  }
  for (i = 1; i <= count; i++) {
    if (statement[i] ~ /^@/) silent = statement[i] ~ types_only
    else if (!silent && statement[i] ~ /^PONS_API [^=]*\(/) prototype(statement[i])
  }
}
