# /usr/sbin/varnishd -F -j none -n FOLDER/09-Varnish/work -f FOLDER/09-Varnish/varnish.vcl -a 127.0.0.1:43013 -s malloc,1048576k -p thread_pool_min=200 -p thread_pool_max=4000
vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "41857"; }
sub vcl_backend_response { set beresp.ttl = 1d; set beresp.grace = 1h; }
