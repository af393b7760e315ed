# install rules and find_package(outrider).
