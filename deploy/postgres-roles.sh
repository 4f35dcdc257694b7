#!/bin/sh
# Run once by the Postgres image, when its volume is empty: the same roles and database that onefold.local makes.
set -eu
psql --set=ON_ERROR_STOP=1 --set=owner_password="$OWNER_PASSWORD" --set=app_password="$APP_PASSWORD" --username postgres <<'SQL'
create role onefold_owner login password :'owner_password';
create role onefold_app login password :'app_password';
create database onefold owner onefold_owner;
revoke connect on database onefold from public;
grant connect on database onefold to onefold_app;
SQL
