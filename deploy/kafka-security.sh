# The part of kafka.sh about who is let in: listeners, certificates, accounts. It is no program.
#
#   DIR/tls/ca.pem, ca.key            whom brokers and clients trust
#          /broker.pem                the brokers' key and certificate
#          /client.pem, client.key    a client's, the key encrypted; client.p12 has both

# secure looks at the options about who is let in.
secure() {
  local word
  [ $acl = off ] || sasl=${sasl:-PLAIN}
  [ ${#users[@]} -gt 0 ] || users=(ringtail:ringtail)
  users=(admin:admin "${users[@]}")
  for word in ${sasl//,/ }; do
    case $word in
      PLAIN|OAUTHBEARER) ;;
      SCRAM-SHA-256|SCRAM-SHA-512) ! before 3.7 || code=2 die "--sasl $word: from Kafka 3.7 on" ;;
      *) code=2 die "--sasl is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, or several with commas, not $word" ;;
    esac
  done
  [ "$sasl" != OAUTHBEARER ] || code=2 die "--sasl OAUTHBEARER: with PLAIN or SCRAM-SHA-512 besides, by which the brokers log in to each other"
  for word in ${listeners[@]+"${listeners[@]}"}; do
    case $word in
      PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL|MTLS) ;;
      *) code=2 die "--listener is PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL or MTLS, not $word" ;;
    esac
    [[ $word != SASL* || -n $sasl ]] || code=2 die "--listener $word: which mechanisms? --sasl"
    [[ $word == *PLAINTEXT || -n $tls ]] || code=2 die "--listener $word: which certificate? --tls"
  done
  tls_given=$tls
  [ "$tls" != new ] || tls=$dir/tls/broker.pem
}

# more prints one item a listener more, each with a comma before it: the template with LISTENER,
# PROTOCOL and PORT filled in, for broker $2.
more() {
  local template id=$2 k=0 name out=''
  for name in ${listeners[@]+"${listeners[@]}"}; do
    k=$((k + 1))
    template=${1//LISTENER/$name} template=${template//PROTOCOL/${name/MTLS/SSL}}
    out+=",${template/PORT/$((port + (2 + k) * brokers + id - 1))}"
  done
  echo "$out"
}

# tls_properties are those of every listener with TLS.
tls_properties() {
  local trusted=$tls
  [ "$tls_given" != new ] || trusted=$dir/tls/ca.pem
  cat <<PROPERTIES
ssl.keystore.type=PEM
ssl.keystore.location=$tls
ssl.truststore.type=PEM
ssl.truststore.location=$trusted
listener.name.mtls.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/
PROPERTIES
}

# sasl_properties are those of every listener where clients log in.
sasl_properties() {
  local mechanism module among='' user name brokers_use=''
  for mechanism in ${sasl//,/ }; do
    [ "$mechanism" = OAUTHBEARER ] || brokers_use=${brokers_use:-$mechanism}
  done
  printf 'sasl.enabled.mechanisms=%s\nsasl.mechanism.inter.broker.protocol=%s\n' "$sasl" "$brokers_use"
  for user in "${users[@]}"; do among+=" user_${user%%:*}=\"${user#*:}\""; done
  for mechanism in ${sasl//,/ }; do
    case $mechanism in
      PLAIN) module="plain.PlainLoginModule required username=\"admin\" password=\"admin\"$among" ;;
      SCRAM-*) module='scram.ScramLoginModule required username="admin" password="admin"' ;;
      OAUTHBEARER) module='oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="admin"' ;;
    esac
    for name in client ${listeners[@]+"${listeners[@],,}"}; do
      [ $name = client ] || [[ $name == sasl* ]] || continue
      echo "listener.name.$name.${mechanism,,}.sasl.jaas.config=org.apache.kafka.common.security.$module;"
    done
  done
}

# authority makes whom the brokers and their clients trust, and a client's certificate.
authority() {
  need openssl openssl
  mkdir -p "$dir"
  mkdir -p -m 700 "$dir/tls"
  make_authority >"$dir/tls/log" 2>&1 || { cat "$dir/tls/log" >&2; die "could not make certificates in $dir/tls"; }
  certify
}

make_authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=Ringtail test authority" \
    -keyout "$dir/tls/ca.key" -out "$dir/tls/ca.pem" &&
    sign ringtail extendedKeyUsage=clientAuth client &&
    openssl pkcs12 -export -passout pass:ringtail -inkey "$dir/tls/client.plain" -in "$dir/tls/client.pem" -out "$dir/tls/client.p12" &&
    openssl pkcs8 -topk8 -passout pass:ringtail -in "$dir/tls/client.plain" -out "$dir/tls/client.key" &&
    rm "$dir/tls/client.plain"
}

# certify makes the brokers' certificate, also while they run: they read it when they start.
certify() {
  [ -e "$dir/tls/ca.key" ] || die "$dir has no authority of its own: kafka.sh start --tls new"
  make_certificate >>"$dir/tls/log" 2>&1 || { cat "$dir/tls/log" >&2; die "could not make a certificate in $dir/tls"; }
}

make_certificate() {
  sign localhost subjectAltName=DNS:localhost,IP:127.0.0.1 broker &&
    cat "$dir/tls/broker.plain" >>"$dir/tls/broker.pem" &&
    rm "$dir/tls/broker.plain"
}

# sign makes a certificate for CN $1, with extension $2, as $3.pem, and its key, $3.plain.
sign() {
  local file="$dir/tls/$3"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$file.plain" -out "$file.csr" &&
    openssl x509 -req -in "$file.csr" -CA "$dir/tls/ca.pem" -CAkey "$dir/tls/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
      -extfile <(printf '%s\n' "$2") -out "$file.pem" && rm "$file.csr"
}
