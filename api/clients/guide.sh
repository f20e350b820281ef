# The calls of the developer guide, with curl.
base=$FOVEA/accounts/$ACCOUNT/images
auth="Authorization: Bearer $TOKEN"
call() { # METHOD PATH WANTED ARGUMENTS…
  method=$1 path=$2 wanted=$3
  shift 3
  answer=$(curl -sS --request "$method" "$base/$path" --header "$auth" "$@")
  case $answer in *"$wanted"*) ;; *)
    echo "$method $path: expected $wanted, received $answer"
    exit 1
    ;;
  esac
}
call POST v1 '"id":"curl/a b"' --form "file=@$IMAGE" --form 'id=curl/a b' --form 'metadata={"key":"value"}' --form 'requireSignedURLs=true'
call GET v1/curl%2Fa%20b '"meta":{"key":"value"}'
call PATCH v1/curl%2Fa%20b '"requireSignedURLs":false' --header 'Content-Type: application/json' --data '{"requireSignedURLs":false}'
call GET 'v2?per_page=10&meta.key[eq]=value' '"id":"curl/a b"' --globoff
call POST v1 '"filename":"web.jpg"' --form "url=$PICTURES/web.jpg" --form 'id=curl/web' --form 'metadata={"key":"value"}'
call POST v2/direct_upload '"uploadURL":"' --form 'requireSignedURLs=true' --form 'metadata={"key":"value"}'
call POST v1/variants '"id":"curl"' --header 'Content-Type: application/json' --data '{"id":"curl","options":{"width":100,"browser_ttl":31536000}}'
call PATCH v1/variants/curl '"blur":50' --header 'Content-Type: application/json' --data '{"options":{"width":100,"blur":50}}'
call DELETE v1/variants/curl '"success":true'
call PATCH v1/config '"flexible_variants":true' --header 'Content-Type: application/json' --data '{"flexible_variants": true}'
call GET v1/keys '"name":"default"'
call GET v1/stats '"count":{"current":'
call POST v1 '"code":5415' --header 'Content-Type: image/jpeg' --data-binary "@$IMAGE"
call POST v1 '"code":5409' --form "file=@$IMAGE" --form 'id=curl/web'
curl -sS "$base/v1/curl%2Fweb/blob" --header "$auth" --output /dev/null --fail
call DELETE v1/curl%2Fweb '"success":true'
call DELETE v1/curl%2Fa%20b '"success":true'
